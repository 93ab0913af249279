/** One line of a log: its time, its level and its text, whose colours are kept. */

import { html } from "../../../vendor/preact.js";
import { css, pieces } from "../../../core/ansi.js";
import { moment } from "../../../core/format.js";
import { logs } from "../../../text/logs.js";

/** @typedef {"relative" | "local" | "utc" | "none"} TimeForm */

const TWO = (/** @type {number} */ n) => String(n).padStart(2, "0");

/**
 * When a line was written.
 *
 * @param {string | undefined} time
 * @param {TimeForm} form
 * @param {number} start of the run, in milliseconds
 */
export function timeOf(time, form, start) {
  const at = moment(time);
  if (form === "none" || !Number.isFinite(at)) return "";
  const date = new Date(at);
  if (form === "utc") return date.toISOString().slice(11, 23);
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  if (form === "local") return `${TWO(date.getHours())}:${TWO(date.getMinutes())}:${TWO(date.getSeconds())}.${ms}`;
  if (!Number.isFinite(start)) return "";
  const passed = at - start;
  const s = Math.floor(Math.abs(passed) / 1000);
  const rest = String(Math.floor((Math.abs(passed) % 1000) / 100));
  const hours = Math.floor(s / 3600);
  return `${passed < 0 ? "-" : "+"}${hours ? `${hours}:` : ""}${TWO(Math.floor(s / 60) % 60)}:${TWO(s % 60)}.${rest}`;
}

/**
 * @param {object} props
 * @param {import("./window.js").Line} props.line
 * @param {TimeForm} props.form
 * @param {number} props.start
 * @param {string} props.sought words to mark
 * @param {boolean} props.chosen the address bar names this line
 * @param {(address: string) => string} props.href
 */
export function LogLine({ line, form, start, sought, chosen, href }) {
  const time = timeOf(line.time, form, start);
  return html`<div class="log-line" data-level=${line.level} aria-current=${chosen ? "true" : undefined}>
    <a class="log-time numbers" href=${href(line.address)} tabindex="-1" title=${`${logs.link}: ${line.time ?? ""}`}>${time || "#"}</a>
    <span class="log-level">${line.level}</span>
    ${line.step && html`<span class="log-step clip" title=${line.step}>${line.step}</span>`}
    <span class="log-text">${pieces(line.text).map((piece) => look(piece, sought))}</span>
  </div>`;
}

/**
 * @param {import("../../../core/ansi.js").Piece} piece
 * @param {string} sought
 */
function look({ text, look: how }, sought) {
  const content = marked(text, sought);
  if (!Object.keys(how).length) return content;
  const color = how.color && css(how.color);
  const background = how.background && css(how.background);
  const style = {
    color: how.inverse ? (background ?? "var(--surface)") : color,
    backgroundColor: how.inverse ? (color ?? "var(--text)") : background,
    fontWeight: how.bold ? "700" : undefined,
    opacity: how.dim ? "0.75" : undefined,
    fontStyle: how.italic ? "italic" : undefined,
    textDecoration: how.underline ? "underline" : undefined,
  };
  return html`<span style=${style}>${content}</span>`;
}

/**
 * @param {string} text
 * @param {string} sought
 */
function marked(text, sought) {
  if (!sought) return text;
  const found = [];
  const [low, word] = [text.toLowerCase(), sought.toLowerCase()];
  if (low.length !== text.length) return text; // a letter whose small form is longer: places differ
  let from = 0;
  for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, from)) {
    found.push(text.slice(from, at), html`<mark>${text.slice(at, at + word.length)}</mark>`);
    from = at + word.length;
  }
  return found.length ? [...found, text.slice(from)] : text;
}
