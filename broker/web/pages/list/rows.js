/** The rows in sight, which hold still while somebody reads them or points at them. */

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { Virtual } from "../../parts/virtual.js";
import { list } from "../../text/list.js";
import { open as opened, sort, SORTS } from "./address.js";
import { covered, rowHeight } from "./layout.js";
import { Placeholder, Row } from "./row.js";
import { choose, chosen } from "./selection.js";

/** Milliseconds for which rows hold still after the pointer or a key was last used on them. */
const HELD = 4_000;
/** What an open row is taken to have more, until it is measured. */
const GUESSED = 220;

/** Pixels from what covers the rows to what tells that they are not the newest. */
const BELOW = 12;

/** @typedef {{current: {reveal: (index: number) => void, toEnd: () => void} | null}} Handle */

/**
 * @param {object} props
 * @param {import("./window.js").Shown} props.shown
 * @param {URLSearchParams} props.query of the list
 * @param {string | null} props.active the run that the keys act on
 * @param {(place: number) => void} props.onFocus told the row that the focus is in
 * @param {Handle} props.handle
 */
export function Rows({ shown, query, active, onFocus, handle }) {
  const { waiting, problem } = shown.view.value;
  const { count } = shown;
  const height = rowHeight.value;
  const taller = useTaller(shown);
  const holding = useHolding(shown);
  const given = useRef({ shown, query });
  given.current = { shown, query };
  const chose = useCallback((/** @type {number} */ place, /** @type {string} */ run, /** @type {boolean} */ range) => {
    choose(given.current.shown, given.current.query, place, run, range);
  }, []);

  /** @param {number} place */
  const row = (place) => {
    const found = shown.row(place);
    if (!found?.row) return html`<${Placeholder} key=${`#${place}`} place=${place} count=${count} height=${height} />`;
    const { run } = found;
    return html`<${Row} key=${run} run=${run} row=${found.row} gone=${found.gone} place=${place} count=${count}
      height=${height} open=${opened.value.has(run)} active=${run === active} chosen=${chosen.value.has(run)}
      choose=${chose} grown=${taller.grown} />`;
  };
  /** @param {FocusEvent} event */
  const focused = ({ target }) => {
    const at = /** @type {Element} */ (target).closest("[data-place]")?.getAttribute("data-place");
    if (at) onFocus(Number(at));
  };
  return html`<div class="runs-rows" aria-busy=${waiting} data-waiting=${waiting || undefined} onFocusIn=${focused} ...${holding.listen}>
    ${problem && !waiting ? html`<${Old} problem=${problem} />` : html`<${Pill} shown=${shown} show=${holding.release} />`}
    <${Virtual} paged=${true} under=${covered.value} label=${list.label} count=${count} height=${height} taller=${taller.rows}
      row=${row} handle=${handle} onSight=${(/** @type {number} */ first, /** @type {number} */ last) => shown.look(first, last)}
      onScroll=${holding.scrolled} />
  </div>`;
}

/** Why what is shown is not of now. @param {{problem: import("../../core/api.js").Refused}} props */
function Old({ problem }) {
  const said = list.old(problem.message);
  return html`<p class="runs-pill runs-old card" role="status" style=${{ top: `${covered.value + BELOW}px` }}>
    <span class="clip" title=${said}>${said}</span></p>`;
}

/** What came meanwhile, and a way to see it. @param {{shown: import("./window.js").Shown, show: () => void}} props */
function Pill({ shown, show }) {
  if (!shown.behind) return null;
  const { shift } = shown.view.value;
  const newer = shift > 0 && sort.value === SORTS[0];
  return html`<button class="runs-pill primary" style=${{ top: `${covered.value + BELOW}px` }} onClick=${show}>${newer ? list.pill.newer(shift) : list.pill.moved}</button>`;
}

/**
 * Hold the rows while they are scrolled, pointed at or reached by keys.
 *
 * @param {import("./window.js").Shown} shown
 */
function useHolding(shown) {
  const state = useRef({ scrolled: false, busy: 0 });
  const settle = () => shown.hold(state.current.scrolled || state.current.busy !== 0);
  /** @param {Event} event */
  const busy = (event) => {
    if (event instanceof PointerEvent && event.pointerType === "touch") return;
    clearTimeout(state.current.busy);
    state.current.busy = window.setTimeout(idle, HELD);
    settle();
  };
  const idle = () => {
    clearTimeout(state.current.busy);
    state.current.busy = 0;
    settle();
  };
  useEffect(() => settle(), [shown]);
  useEffect(() => () => clearTimeout(state.current.busy), []);
  return {
    listen: { onPointerMove: busy, onPointerDown: busy, onKeyDown: busy, onPointerLeave: idle },
    /** @param {boolean} _atEnd @param {boolean} atStart */
    scrolled: (_atEnd, atStart) => {
      if (state.current.scrolled === !atStart) return;
      state.current.scrolled = !atStart;
      settle();
    },
    release: () => {
      clearTimeout(state.current.busy);
      state.current.busy = 0;
      shown.release();
      toTop();
    },
  };
}

/** Scroll to where the rows begin. */
export function toTop() {
  const rows = document.querySelector(".runs-rows");
  const top = rows ? rows.getBoundingClientRect().top - covered.peek() : 0;
  if (top < 0) window.scrollBy({ top, behavior: "instant" });
}

/**
 * What open rows have more than others, by place.
 *
 * @param {import("./window.js").Shown} shown
 */
function useTaller(shown) {
  const [measured, setMeasured] = useState(/** @type {ReadonlyMap<string, number>} */ (new Map()));
  const places = useRef(/** @type {Map<string, number>} */ (new Map()));
  const grown = useCallback((/** @type {string} */ run, /** @type {number} */ pixels) => {
    setMeasured((before) => (before.get(run) === pixels ? before : new Map(before).set(run, pixels)));
  }, []);
  for (const run of opened.value) {
    const place = shown.place(run);
    if (place >= 0) places.current.set(run, place);
  }
  const rows = [...opened.value].filter((run) => places.current.has(run))
    .map((run) => /** @type {const} */ ([places.current.get(run) ?? 0, measured.get(run) ?? GUESSED]))
    .sort(([a], [b]) => a - b);
  const key = rows.join(" ");
  return { rows: useMemo(() => rows, [key]), grown };
}
