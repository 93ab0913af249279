/** The keys of the list, and the run that they act on: the one whose row has the focus. */

import { useCallback, useRef, useState } from "../../vendor/preact.js";
import { encoded } from "../../core/api.js";
import { useKeys } from "../../core/keys.js";
import { go } from "../../core/route.js";
import { list } from "../../text/list.js";
import { turn } from "./address.js";
import { choose, chosen, clear } from "./selection.js";

const words = list.keys;
/** Frames within which a row that was scrolled to is there. */
const FRAMES = 60;

/**
 * @param {import("./window.js").Shown} shown
 * @param {URLSearchParams} query of the list
 * @param {{current: HTMLInputElement | null}} box the search box
 * @param {import("./rows.js").Handle} handle
 * @returns {{run: string | null, set: (place: number) => void}}
 */
export function useActive(shown, query, box, handle) {
  const [run, setRun] = useState(/** @type {string | null} */ (null));
  // Keys may come faster than pages are drawn: what they act on is not what was drawn last.
  const at = useRef({ place: -1, run: /** @type {string | null} */ (null), shown, query });
  Object.assign(at.current, { shown, query });
  const set = useCallback((/** @type {number} */ wanted) => {
    at.current.place = wanted;
    at.current.run = at.current.shown.row(wanted)?.run ?? null;
    setRun(at.current.run);
  }, []);

  /** @param {number} by */
  const move = (by) => {
    const { place, run, shown } = at.current;
    const now = run === null ? -1 : shown.place(run);
    const wanted = Math.max(0, Math.min(shown.count - 1, (now >= 0 ? now : place) + by));
    set(wanted);
    handle.current?.reveal(wanted);
    focus(wanted, FRAMES);
  };
  /** @param {(run: string) => void} act */
  const onActive = (act) => () => at.current.run !== null && act(at.current.run);
  /** @param {string} run */
  const select = (run) => choose(at.current.shown, at.current.query, at.current.place, run, false);
  const next = () => move(1);
  const previous = () => move(-1);
  useKeys(words.of, [
    { key: "/", does: words.search, act: () => box.current?.focus() },
    { key: "j", does: words.next, act: next },
    { key: "k", does: words.previous, act: previous },
    { key: "ArrowDown", does: words.next, act: next },
    { key: "ArrowUp", does: words.previous, act: previous },
    { key: "Enter", does: words.open },
    { key: "o", does: words.open, act: onActive((active) => go(`/runs/${encoded(active)}`)) },
    { key: "x", does: words.select, act: onActive(select) },
    { key: "e", does: words.expand, act: onActive(turn) },
    { key: "Escape", does: words.clear, act: () => chosen.value.size && clear() },
  ]);
  return { run, set };
}

/**
 * Focus the link of a row as soon as it is there.
 *
 * @param {number} place
 * @param {number} frames
 */
function focus(place, frames) {
  const link = document.querySelector(`[data-place="${place}"] .runs-name`);
  if (link instanceof HTMLElement) link.focus({ preventScroll: true });
  else if (frames) requestAnimationFrame(() => focus(place, frames - 1));
}
