/** What fingers and mice do on the lanes: drag moves in time, ctrl and wheel or two fingers zoom. */

import { useEffect, useRef } from "../../../vendor/preact.js";

/** Pixels from which on a press is a drag and no click. */
const DRAG = 4;

/**
 * @param {{current: HTMLElement | null}} surface
 * @param {import("./sight.js").Sight} sight
 * @param {{point: (y: number | null) => void, choose: (y: number) => void}} on in pixels from the
 *   surface's top; null where the pointer has left
 */
export function useGestures(surface, sight, on) {
  const latest = useRef({ sight, on });
  latest.current = { sight, on };
  useEffect(() => {
    const el = surface.current;
    if (!el) return;
    /** @type {Map<number, number>} */
    const fingers = new Map();
    let moved = 0;
    const apart = () => {
      const [a, b] = fingers.values();
      return Math.max(1, Math.abs(a - b));
    };
    /** @param {number} clientX */
    const share = (clientX) => {
      const { left, width } = el.getBoundingClientRect();
      return (clientX - left) / Math.max(1, width);
    };
    /** @param {WheelEvent} event */
    const wheel = (event) => {
      const { zoom, move } = latest.current.sight;
      if (event.ctrlKey || event.metaKey) zoom(1.0025 ** event.deltaY, share(event.clientX));
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
        move((event.deltaX || event.deltaY) / Math.max(1, el.clientWidth));
      else return;
      event.preventDefault();
    };
    /** @param {PointerEvent} event */
    const down = (event) => {
      if (event.button) return;
      if (!fingers.size) moved = 0;
      fingers.set(event.pointerId, event.clientX);
      el.setPointerCapture(event.pointerId);
    };
    /** @param {PointerEvent} event */
    const move = (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) {
        latest.current.on.point(event.clientY - el.getBoundingClientRect().top);
        return;
      }
      const was = fingers.size === 2 ? apart() : 0;
      fingers.set(event.pointerId, event.clientX);
      moved += Math.abs(event.clientX - before);
      if (fingers.size === 2) latest.current.sight.zoom(was / apart(), share(event.clientX));
      else if (moved >= DRAG) latest.current.sight.move((before - event.clientX) / Math.max(1, el.clientWidth));
    };
    /** @param {PointerEvent} event */
    const up = (event) => {
      if (!fingers.delete(event.pointerId) || event.type === "pointercancel") return;
      if (moved < DRAG) latest.current.on.choose(event.clientY - el.getBoundingClientRect().top);
    };
    const leave = () => latest.current.on.point(null);
    el.addEventListener("wheel", wheel, { passive: false });
    el.addEventListener("pointerdown", down);
    el.addEventListener("pointermove", move);
    el.addEventListener("pointerup", up);
    el.addEventListener("pointercancel", up);
    el.addEventListener("pointerleave", leave);
    return () => {
      el.removeEventListener("wheel", wheel);
      el.removeEventListener("pointerdown", down);
      el.removeEventListener("pointermove", move);
      el.removeEventListener("pointerup", up);
      el.removeEventListener("pointercancel", up);
      el.removeEventListener("pointerleave", leave);
    };
  }, []);
}
