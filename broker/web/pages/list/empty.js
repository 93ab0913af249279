/** What stands in place of rows: there are none, none match, or none can be shown. */

import { html } from "../../vendor/preact.js";
import { CopyButton } from "../../parts/copy.js";
import { list } from "../../text/list.js";
import { rowHeight } from "./layout.js";

const words = list.empty;
/** Rows that a page is taken to have until it is known. */
const SKELETONS = 8;

/** Rows to come, before the gateway has said anything. */
export function Skeleton() {
  return html`<div class="runs-rows" role="status"><span class="hidden">${list.row.loading}</span>
    ${Array.from({ length: SKELETONS }, (_, index) => html`<div key=${index} class="runs-row" aria-hidden="true">
      <div class="runs-line runs-unknown" style=${{ height: `${rowHeight.value}px` }}><i /><i /><i /></div></div>`)}</div>`;
}

/** @param {{searched: boolean}} props `searched`: whether anything but "all runs" was asked for */
export function Empty({ searched }) {
  if (searched)
    return html`<section class="empty"><h2>${words.nothing.title}</h2><p>${words.nothing.detail}</p>
      <a class="button" href="/">${words.nothing.clear}</a></section>`;
  const command = example(location.origin);
  return html`<section class="empty runs-first"><h2>${words.none.title}</h2><p>${words.none.detail}</p>
    <pre tabindex="0"><code>${command}</code></pre><${CopyButton} text=${command} />
    <p>${words.none.or} <code>${words.none.demo}</code></p></section>`;
}

/** Why the gateway shows no list. @param {{problem: import("../../core/api.js").Refused}} props */
export function Problem({ problem }) {
  const { title, detail } = problem.name === "index-not-built" ? words.building : { title: words.failed.title, detail: "" };
  return html`<section class="empty" role="alert"><h2>${title}</h2>${detail && html`<p>${detail}</p>`}
    <p class="wrap">${problem.message}</p></section>`;
}

/** What emits a first run from a shell. @param {string} origin */
function example(origin) {
  const events = `[{"type":"run.started","name":"My first run"},{"type":"run.progress","current":3,"total":10}]`;
  return `curl ${origin}/v1/runs/first/events -H 'Content-Type: application/json' \\\n  -d '${events}'`;
}
