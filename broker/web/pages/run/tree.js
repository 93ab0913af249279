/** JSON as a tree that folds; what is long is cut until it is asked for. */

import { html, useState } from "../../vendor/preact.js";
import { text } from "../../text/run.js";

/** Characters of a text, and members of an object, that are shown at first. */
const CLIPPED = 300;
const MEMBERS = 50;
/** Members up to which an object stands open. */
const OPEN = 12;

/** @param {{value: unknown, depth?: number}} props */
export function Tree({ value, depth = 0 }) {
  if (typeof value !== "object" || value === null) return html`<${Leaf} value=${value} />`;
  const entries = Object.entries(value);
  if (!entries.length) return html`<span class="json-empty">${Array.isArray(value) ? "[]" : "{}"}</span>`;
  return html`<${Members} entries=${entries} depth=${depth} />`;
}

/** @param {{entries: [string, unknown][], depth: number}} props */
function Members({ entries, depth }) {
  const [most, setMost] = useState(MEMBERS);
  return html`<ul class="json">
    ${entries.slice(0, most).map(([name, value]) => html`<li key=${name}><${Member} name=${name} value=${value} depth=${depth} /></li>`)}
    ${entries.length > most && html`<li><button class="link" onClick=${() => setMost(most * 10)}>
      ${text.tree.more(entries.length - most)}</button></li>`}
  </ul>`;
}

/** @param {{name: string, value: any, depth: number}} props */
function Member({ name, value, depth }) {
  const size = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  const [open, setOpen] = useState(depth < 1 && size <= OPEN);
  if (!size) return html`<span class="json-name wrap">${name}</span> <${Tree} value=${value} />`;
  const summary = (Array.isArray(value) ? text.tree.items : text.tree.members)(size);
  return html`<button class="json-fold" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      <span class="json-name wrap">${name}</span> <span class="muted">${summary}</span></button>
    ${open && html`<${Tree} value=${value} depth=${depth + 1} />`}`;
}

/** @param {{value: unknown}} props */
function Leaf({ value }) {
  const [whole, setWhole] = useState(false);
  const said = typeof value === "string" ? value : JSON.stringify(value);
  const long = said.length > CLIPPED;
  return html`<span class="json-leaf wrap" data-type=${value === null ? "null" : typeof value}>
      ${long && !whole ? `${said.slice(0, CLIPPED)}…` : said}</span>
    ${long && html` <button class="link" onClick=${() => setWhole(!whole)}>${whole ? text.tree.clip : text.tree.expand}</button>`}`;
}
