/** From where a drawing is looked at: moved by dragging and keys, nearer and farther. */

import { useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";

const NEAREST = 2;
const FARTHEST = 0.1;
const ZOOM = 1.35;
/** What names can be read at: a drawing that would have to be smaller begins with a part of it. */
const READABLE = 0.6;
const MARGIN = 24;
const DRAG = 4;

/** @typedef {{x: number, y: number, scale: number}} View where the drawing's corner stands, in pixels */

/**
 * @param {{current: Element | null}} surface
 * @param {number} width of the drawing
 * @param {number} height
 * @param {() => {x: number, y: number} | undefined} middle what to begin with, where not all can be
 */
export function useCamera(surface, width, height, middle) {
  const [view, setView] = useState(/** @type {View | null} */ (null));
  const latest = useRef(/** @type {View} */ ({ x: 0, y: 0, scale: 1 }));
  /** Whether the pointer that is let go has moved the drawing, so that it chose nothing. */
  const dragged = useRef(false);
  if (view) latest.current = view;

  const fit = () => {
    const box = surface.current?.getBoundingClientRect();
    if (!box) return;
    const scale = clamped(Math.min((box.width - 2 * MARGIN) / width, (box.height - 2 * MARGIN) / height, 1));
    setView({ scale, x: Math.max(MARGIN, (box.width - width * scale) / 2), y: (box.height - height * scale) / 2 });
  };
  /** @param {number} factor @param {number} [x] what stays where it is, in pixels of the surface @param {number} [y] */
  const zoom = (factor, x, y) => {
    const box = /** @type {Element} */ (surface.current).getBoundingClientRect();
    const { x: left, y: top, scale: was } = latest.current;
    const scale = clamped(was * factor);
    const [atX, atY] = [x ?? box.width / 2, y ?? box.height / 2];
    setView({ scale, x: atX - ((atX - left) / was) * scale, y: atY - ((atY - top) / was) * scale });
  };
  /** @param {number} x @param {number} y */
  const move = (x, y) => setView({ ...latest.current, x: latest.current.x + x, y: latest.current.y + y });
  /** Bring a box into sight. @param {{x: number, y: number}} box its middle @param {{width: number, height: number}} size */
  const reveal = (box, size) => {
    const seen = /** @type {Element} */ (surface.current).getBoundingClientRect();
    const { x, y, scale } = latest.current;
    const by = (/** @type {number} */ middle, /** @type {number} */ half, /** @type {number} */ room) =>
      middle - half < MARGIN ? MARGIN + half - middle : middle + half > room - MARGIN ? room - MARGIN - half - middle : 0;
    const toX = by(x + box.x * scale, (size.width / 2) * scale, seen.width);
    const toY = by(y + box.y * scale, (size.height / 2) * scale, seen.height);
    if (toX || toY) move(toX, toY);
  };
  const begin = () => {
    const box = surface.current?.getBoundingClientRect();
    const at = middle();
    if (!box || !at || Math.min((box.width - 2 * MARGIN) / width, (box.height - 2 * MARGIN) / height) >= READABLE) fit();
    else setView({ scale: READABLE, x: box.width / 2 - at.x * READABLE, y: box.height / 2 - at.y * READABLE });
  };
  useLayoutEffect(begin, [width, height]);
  useEffect(() => {
    const el = /** @type {HTMLElement | null} */ (/** @type {unknown} */ (surface.current));
    return el ? listen(el, { zoom, move, dragged }) : undefined;
  }, []);
  return {
    view, fit, move, reveal, dragged, nearer: () => zoom(ZOOM), farther: () => zoom(1 / ZOOM),
  };
}

/**
 * @param {HTMLElement} el
 * @param {{zoom: (factor: number, x?: number, y?: number) => void, move: (x: number, y: number) => void, dragged: {current: boolean}}} camera
 */
function listen(el, { zoom, move, dragged }) {
  /** @type {Map<number, [number, number]>} */
  const fingers = new Map();
  let moved = 0;
  const apart = () => {
    const [a, b] = fingers.values();
    return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
  };
  const ending = new AbortController();
  const { signal } = ending;
  el.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = el.getBoundingClientRect();
    zoom(0.9975 ** event.deltaY, event.clientX - box.left, event.clientY - box.top);
  }, { passive: false, signal });
  el.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!fingers.size) moved = 0;
    dragged.current = false;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }, { signal });
  addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const was = fingers.size === 2 ? apart() : 0;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const [x, y] = [event.clientX - before[0], event.clientY - before[1]];
    moved += Math.abs(x) + Math.abs(y);
    dragged.current ||= moved >= DRAG;
    if (fingers.size === 2) {
      const box = el.getBoundingClientRect();
      zoom(apart() / was, event.clientX - box.left, event.clientY - box.top);
    } else if (dragged.current) move(x, y);
  }, { signal });
  for (const name of ["pointerup", "pointercancel"])
    addEventListener(name, (event) => fingers.delete(/** @type {PointerEvent} */ (event).pointerId), { signal });
  return () => ending.abort();
}

/** @param {number} scale */
const clamped = (scale) => Math.max(FARTHEST, Math.min(NEAREST, scale));
