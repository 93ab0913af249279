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
  const place = useRef(-1);
  const current = useRef(shown);
  current.current = shown;
  const set = useCallback((/** @type {number} */ wanted) => {
    place.current = wanted;
    setRun(current.current.row(wanted)?.run ?? null);
  }, []);

  /** @param {number} by */
  const move = (by) => {
    const now = run === null ? -1 : shown.place(run);
    const from = now >= 0 ? now : place.current;
    const wanted = Math.max(0, Math.min(shown.count - 1, from + by));
    set(wanted);
    handle.current?.reveal(wanted);
    focus(wanted, FRAMES);
  };
  /** @param {(run: string, place: number) => void} act */
  const onActive = (act) => () => run !== null && act(run, shown.place(run));
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
    { key: "x", does: words.select, act: onActive((active, at) => choose(shown, query, at, active, false)) },
    { key: "e", does: words.expand, act: onActive(turn) },
    { key: "Escape", does: words.clear, act: () => chosen.value.size && clear() },
  ], [shown, query, run]);
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
