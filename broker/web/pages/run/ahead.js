/** What is said in place of a duration that a clock forbids: its beginning is still to come. */

import { html } from "../../vendor/preact.js";
import { ago, full } from "../../core/format.js";
import { text } from "../../text/run.js";
import { present } from "./past.js";

/** @param {{at: number}} props milliseconds; by the clock of who said it */
export function Ahead({ at }) {
  const why = text.ahead.why(full(at), ago(at, present.value));
  return html`<span class="ahead" title=${why}>${text.ahead.clock}<span class="hidden">: ${why}</span></span>`;
}
