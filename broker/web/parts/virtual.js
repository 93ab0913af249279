/**
 * A long list of rows of one height, of which only those in sight exist.
 *
 * Browsers lay out at most some 15 to 30 million pixels: beyond that the rows are placed by the
 * share of the scroll bar, so that every row can still be reached.
 */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

const TALLEST = 8_000_000;
/** Rows beyond the edges that exist already when they come into sight. */
const BEYOND = 8;

/**
 * @param {object} props
 * @param {number} props.count of all rows
 * @param {number} props.height of a row, in pixels
 * @param {(index: number) => any} props.row
 * @param {string} [props.class]
 * @param {string} [props.role] of the list; `list` unless said
 * @param {string} [props.label]
 * @param {(first: number, last: number) => void} [props.onSight] which rows are in sight
 * @param {(atEnd: boolean) => void} [props.onScroll] whether the end is in sight
 * @param {{current: {reveal: (index: number) => void, toEnd: () => void} | null}} [props.handle]
 */
export function Virtual({ count, height, row, role = "list", label, onSight, onScroll, handle, ...props }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [sight, setSight] = useState({ top: 0, space: 600 });
  const tall = Math.min(TALLEST, count * height);
  const most = Math.max(0, count * height - sight.space);
  const reach = Math.max(1, tall - sight.space);
  const offset = tall < count * height ? (sight.top / reach) * most : sight.top;
  const first = Math.max(0, Math.floor(offset / height) - BEYOND);
  const last = Math.min(count - 1, Math.ceil((offset + sight.space) / height) + BEYOND);

  const look = () => {
    const el = box.current;
    if (!el) return;
    setSight((before) =>
      before.top === el.scrollTop && before.space === el.clientHeight
        ? before
        : { top: el.scrollTop, space: el.clientHeight });
    onScroll?.(el.scrollTop + el.clientHeight >= el.scrollHeight - height);
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    look();
    return () => observer.disconnect();
  }, []);
  useEffect(() => onSight?.(first, last), [first, last, count]);
  if (handle)
    handle.current = {
      reveal(index) {
        const el = box.current;
        if (!el) return;
        const at = index * height;
        if (at >= offset && at + height <= offset + sight.space) return;
        const wanted = at - sight.space / 3;
        el.scrollTop = tall < count * height ? (wanted / Math.max(1, most)) * reach : wanted;
      },
      toEnd() {
        if (box.current) box.current.scrollTop = box.current.scrollHeight;
      },
    };

  const rows = [];
  for (let index = first; index <= last; index++) rows.push(row(index));
  const shift = sight.top - (offset - first * height);
  return html`<div
    ref=${box} class=${`virtual ${props.class ?? ""}`} role=${role} aria-label=${label} tabindex="0" onScroll=${look}
  >
    <div class="virtual-all" role="presentation" style=${{ height: `${tall}px` }}>
      <div class="virtual-rows" role="presentation" style=${{ transform: `translateY(${shift}px)` }}>${rows}</div>
    </div>
  </div>`;
}
