/**
 * The lines in sight. Who is at the end stays there while lines come; who reads further up is left
 * in peace, also when earlier lines are put above.
 */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { logs } from "../../../text/logs.js";
import { Heights } from "./heights.js";
import { LogLine } from "./line.js";

/** Height of a row in pixels; styles/logs.css says the same. */
const ROW = 20;
/** Rows beyond the edges that exist already when they come into sight. */
const BEYOND = 20;
/** Browsers lay out at most some 15 to 30 million pixels. */
const TALLEST = 8_000_000;

/**
 * @param {object} props
 * @param {import("./window.js").LogWindow} props.log
 * @param {boolean} props.wrap
 * @param {boolean} props.following the end is to stay in sight
 * @param {(following: boolean) => void} props.onFollowing
 * @param {string | null} props.chosen address of the line that is to be in sight
 * @param {import("./line.js").TimeForm} props.form
 * @param {number} props.start
 * @param {string} props.sought
 * @param {(address: string) => string} props.href
 */
export function LogView({ log, wrap, following, onFollowing, chosen, form, start, sought, href }) {
  log.version.value; // draws again when lines came
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const heights = useRef(new Heights()).current;
  const [sight, setSight] = useState({ top: 0, space: 600, columns: 120 });
  const before = useRef({ first: /** @type {string | undefined} */ (undefined), shown: "" });
  const { lines } = log;
  heights.measure(lines, wrap ? sight.columns : 0);
  const height = Math.min(TALLEST, heights.total * ROW);
  const scale = heights.total * ROW > TALLEST ? (heights.total * ROW) / TALLEST : 1;
  const first = Math.max(0, heights.at((sight.top * scale) / ROW) - BEYOND);
  const last = Math.min(lines.length - 1, heights.at((sight.top * scale + sight.space) / ROW) + BEYOND);
  const shift = sight.top - (sight.top * scale - heights.before(first) * ROW);

  const look = () => {
    const el = box.current;
    if (!el) return;
    const columns = columnsOf(el, form);
    setSight({ top: el.scrollTop, space: el.clientHeight, columns });
  };
  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    look();
    const atEnd = el.scrollTop + el.clientHeight >= el.scrollHeight - ROW;
    onFollowing(atEnd && lines.length > 0 && log.standing.value !== "paged");
    if (el.scrollTop < 40 * ROW) void log.earlier();
    if (el.scrollTop + el.clientHeight > el.scrollHeight - 40 * ROW) void log.later();
  };
  useEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(look, [wrap, form]);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    if (following) {
      el.scrollTop = el.scrollHeight;
      return;
    }
    const was = before.current.first;
    if (was !== undefined && lines.length && lines[0].address !== was) {
      // Earlier lines came above, or the oldest went: what was in sight stays where it was.
      const moved = lines.findIndex((line) => line.address === was);
      if (moved > 0) el.scrollTop += (heights.before(moved) * ROW) / scale;
    }
  });
  useEffect(() => {
    before.current.first = lines[0]?.address;
  });
  useLayoutEffect(() => {
    const at = chosen === null ? -1 : lines.findIndex((line) => line.address === chosen);
    if (at < 0 || before.current.shown === chosen || !box.current) return;
    before.current.shown = chosen ?? "";
    box.current.scrollTop = (heights.before(at) * ROW) / scale - sight.space / 3;
  });

  const rows = [];
  for (let index = first; index <= last; index++) {
    const line = lines[index];
    rows.push(html`<${LogLine} key=${line.address} line=${line} form=${form} start=${start} sought=${sought}
      chosen=${line.address === chosen} href=${href} />`);
  }
  return html`<div ref=${box} class="log-box" data-wrap=${wrap ? "" : undefined} role="log" aria-live="off"
    aria-label=${logs.title} tabindex="0" onScroll=${scrolled}
  >
    <div class="log-all" style=${{ height: `${height}px` }}>
      <div class="log-rows" style=${{ transform: `translateY(${shift}px)` }}>${rows}</div>
    </div>
  </div>`;
}

/**
 * Characters of a row of text, whose font has one width.
 *
 * @param {HTMLElement} box
 * @param {string} form
 */
function columnsOf(box, form) {
  const text = box.querySelector(".log-text");
  const width = text instanceof HTMLElement ? text.clientWidth : box.clientWidth - (form === "none" ? 90 : 180);
  return Math.max(20, Math.floor(width / 7.83));
}
