/** The band over a page that shows the past: it must never be taken for what is now. */

import { html } from "../../vendor/preact.js";
import { full, moment } from "../../core/format.js";
import { ask } from "../../core/route.js";
import { text } from "../../text/run.js";
import { past } from "./past.js";

/** @param {{view: {attempt?: number, at?: string}, latest: any}} props */
export function PastBand({ view, latest }) {
  const shown = past.value;
  if (shown) return band(text.past.moment(full(moment(shown.time))), text.past.back);
  if (view.attempt !== undefined) return band(text.past.attempt(view.attempt, latest?.attempt), text.past.latest);
  return null;
}

/** Show what is now. */
export function backToNow() {
  past.value = null;
  ask({ at: null, attempt: null });
}

/** @param {string} says @param {string} back */
function band(says, back) {
  return html`<div class="past-band" role="status"><p>${says}</p><button onClick=${backToNow}>${back}</button></div>`;
}
