/**
 * A long list of rows of one height, of which only those in sight exist. Some rows may be taller,
 * and the list may scroll with the page instead of in a box of its own.
 *
 * Browsers lay out at most some 15 to 30 million pixels: beyond that the rows are placed by the
 * share of the scroll bar, so that every row can still be reached.
 */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { Heights } from "./heights.js";

const TALLEST = 8_000_000;
/** Rows beyond the edges that exist already when they come into sight. */
const BEYOND = 8;

/**
 * @param {object} props
 * @param {number} props.count of all rows
 * @param {number} props.height of a row, in pixels
 * @param {readonly (readonly [number, number])[]} [props.taller] rows in order, each with the pixels that it has more
 * @param {(index: number) => any} props.row
 * @param {string} [props.class]
 * @param {string} [props.role] of the list; `list` unless said
 * @param {string} [props.label]
 * @param {boolean} [props.paged] whether the page scrolls, not a box
 * @param {number} [props.under] pixels at the top of the page that something covers
 * @param {(first: number, last: number) => void} [props.onSight] which rows exist
 * @param {(atEnd: boolean, atStart: boolean) => void} [props.onScroll] whether the end is in sight, and the start
 * @param {string} [props.active] the id in the document of the row that the keys are at
 * @param {{current: {reveal: (index: number) => void, toEnd: () => void} | null}} [props.handle]
 */
export function Virtual({
  count, height, taller, row, role = "list", label, paged = false, under = 0, onSight, onScroll, handle, active, ...props
}) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [sight, setSight] = useState({ top: 0, space: 600 });
  const heights = new Heights(count, height, taller);
  const tall = Math.min(TALLEST, heights.total);
  const most = Math.max(0, heights.total - sight.space);
  const reach = Math.max(1, tall - sight.space);
  const scaled = tall < heights.total;
  const top = Math.min(sight.top, reach);
  const offset = scaled ? (top / reach) * most : top;
  const seen = heights.at(offset);
  const first = Math.max(0, seen - BEYOND);
  const last = Math.min(count - 1, heights.at(offset + sight.space) + BEYOND);

  const look = () => {
    const el = box.current;
    if (!el) return;
    const top = paged ? Math.max(0, -el.getBoundingClientRect().top) : el.scrollTop;
    const space = paged ? innerHeight : el.clientHeight;
    setSight((before) => (before.top === top && before.space === space ? before : { top, space }));
    onScroll?.(paged ? top + space >= tall : top + space >= el.scrollHeight - height, top === 0);
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    if (paged) {
      addEventListener("scroll", look, { passive: true });
      addEventListener("resize", look);
    }
    look();
    return () => {
      observer.disconnect();
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, []);

  /** @param {number} pixels */
  const scrollBy = (pixels) => {
    if (paged) window.scrollBy({ top: pixels, behavior: "instant" });
    else if (box.current) box.current.scrollTop += pixels;
  };
  // A row above that grows must not push away what is read.
  const kept = useRef({ seen, heights });
  const { seen: before, heights: were } = kept.current;
  useLayoutEffect(() => {
    const pushed = before > 0 && were.count && !scaled ? heights.more(before) - were.more(before) : 0;
    if (pushed) scrollBy(pushed);
  }, [taller]);
  kept.current = { seen, heights };

  useEffect(() => onSight?.(first, last), [first, last, count]);
  if (handle)
    handle.current = {
      reveal(index) {
        const el = box.current;
        if (!el) return;
        const at = heights.top(index);
        if (at >= offset + under && at + height <= offset + sight.space) return;
        const wanted = Math.max(0, at - Math.max(under, sight.space / 3));
        const to = scaled ? (wanted / Math.max(1, most)) * reach : wanted;
        scrollBy(to - (paged ? -el.getBoundingClientRect().top : el.scrollTop));
      },
      toEnd() {
        if (box.current) box.current.scrollTop = box.current.scrollHeight;
      },
    };

  const rows = [];
  for (let index = first; index <= last; index++) rows.push(row(index));
  const shift = top - (offset - heights.top(first));
  return html`<div
    ref=${box} class=${`virtual ${props.class ?? ""}`} role=${role} aria-label=${label} data-paged=${paged || undefined}
    tabindex=${paged ? undefined : "0"} aria-activedescendant=${active} onScroll=${paged ? undefined : look}
  >
    <div class="virtual-all" role="presentation" style=${{ height: `${tall}px` }}>
      <div class="virtual-rows" role="presentation" style=${{ transform: `translateY(${shift}px)` }}>${rows}</div>
    </div>
  </div>`;
}
