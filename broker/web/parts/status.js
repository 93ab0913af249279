/** The status of a run or a step: shape, colour and word. */

import { html } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { Icon } from "./icons.js";

export const ENDED = new Set(["completed", "failed", "cancelled"]);

/** The word for a status; of one that this page does not know, its own name. @param {string} status */
export function wordFor(status) {
  const words = /** @type {Record<string, string>} */ (common.status);
  return Object.hasOwn(words, status) ? words[status] : status;
}

/**
 * @param {{status: string, quiet?: boolean}} props `quiet`: the word is for screen readers alone
 */
export function Status({ status, quiet = false }) {
  const word = wordFor(status);
  return html`<span class="status" data-status=${status} title=${quiet ? word : undefined}>
    <${Icon} name=${status} /><span class=${quiet ? "hidden" : undefined}>${word}</span>
  </span>`;
}
