/** The search box: what is typed becomes the address after a moment; what it cannot mean is said. */

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { Icon } from "../../parts/icons.js";
import { list } from "../../text/list.js";
import { SORTS, search, searchFor, sort, sortBy, text } from "./address.js";

const words = list.search;
/** Milliseconds without a letter after which it is searched for. */
const TYPED = 300;

/** @param {{box: {current: HTMLInputElement | null}}} props */
export function SearchBox({ box }) {
  const [draft, setDraft] = useState(text.value);
  const [typing, setTyping] = useState(false);
  const timer = useRef(0);
  const { problems } = search.value;

  useEffect(() => {
    if (!timer.current && draft.trim() !== text.value) setDraft(text.value);
  }, [text.value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const commit = () => {
    clearTimeout(timer.current);
    timer.current = 0;
    setTyping(false);
    searchFor(box.current?.value ?? "");
  };
  /** @param {string} value */
  const typed = (value) => {
    setDraft(value);
    setTyping(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(commit, TYPED);
  };

  return html`<search class="runs-search">
    <form onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), commit())}>
      <${Icon} name="search" />
      <input ref=${box} type="search" name="q" value=${draft} dir="auto" autocomplete="off" spellcheck=${false}
        aria-label=${words.label} placeholder=${words.placeholder} maxlength="4000"
        aria-invalid=${problems.length > 0 && !typing} aria-describedby="runs-search-problems"
        onInput=${(/** @type {any} */ event) => typed(event.target.value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !draft && box.current?.blur()} />
      <button type="button" class="plain" popovertarget="runs-search-help" aria-label=${words.help} title=${words.help}>?</button>
    </form>
    <label class="runs-sort"><span class="hidden">${words.sort}</span>
      <select value=${sort.value} onChange=${(/** @type {any} */ event) => sortBy(event.target.value)}>
        ${SORTS.map((each) => html`<option key=${each} value=${each}>${words.sorts[each]}</option>`)}
      </select>
    </label>
    <div id="runs-search-problems" class="runs-problems" role="status">
      ${!typing && problems.length > 0 && html`<p>${words.left}</p><ul>
        ${problems.map(({ term, fault, key }) => html`<li key=${term}><code class="wrap">${term}</code>
          <span class="wrap">${words.faults[fault](term, key)}.</span></li>`)}
      </ul>`}
    </div>
    <div id="runs-search-help" class="runs-help card" popover="auto" role="dialog" aria-label=${words.help}>
      <h2>${words.help}</h2><p>${words.intro}</p>
      <dl>${words.syntax.map(([term, means]) => html`<div key=${term}><dt><code>${term}</code></dt><dd>${means}</dd></div>`)}</dl>
    </div>
  </search>`;
}
