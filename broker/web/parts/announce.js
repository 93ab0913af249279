/** What is said aloud: milestones politely, failures at once; and what pops up for all to see. */

import { html, signal } from "../vendor/preact.js";
import { common } from "../text/common.js";

const polite = signal("");
const urgent = signal("");
const toasts = signal(/** @type {{id: number, text: string, kind: string}[]} */ ([]));
let next = 1;

/** Say something to who listens to the page. @param {string} text @param {{urgent?: boolean}} [options] */
export function announce(text, options) {
  const said = options?.urgent ? urgent : polite;
  said.value = said.value === text ? `${text}\u00a0` : text; // the same again is said again
}

/**
 * Show a note for some seconds, and say it.
 *
 * @param {string} text
 * @param {"done" | "refused"} [kind]
 */
export function toast(text, kind = "done") {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text, kind }];
  announce(text, { urgent: kind === "refused" });
  setTimeout(() => {
    toasts.value = toasts.value.filter((one) => one.id !== id);
  }, kind === "refused" ? 10_000 : 5_000);
}

export function Announcer() {
  return html`<div class="hidden" role="status">${polite}</div>
    <div class="hidden" role="alert">${urgent}</div>
    ${toasts.value.length > 0 && html`<section class="toasts" aria-label=${common.notes}>
      ${toasts.value.map(({ id, text, kind }) => html`<p key=${id} class="toast" data-kind=${kind}>${text}</p>`)}
    </section>`}`;
}
