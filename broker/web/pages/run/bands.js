/** The band over a page that shows the past: it must never be taken for what is now. */

import { html, useEffect } from "../../vendor/preact.js";
import { full, moment } from "../../core/format.js";
import { ask } from "../../core/route.js";
import { announce } from "../../parts/announce.js";
import { text } from "../../text/run.js";
import { past } from "./past.js";

/** @param {{view: {attempt?: number, at?: string}, latest: any}} props */
export function PastBand({ view, latest }) {
  const shown = past.value;
  if (shown) return html`<${Band} key="at" says=${text.past.moment(full(moment(shown.time)))} back=${text.past.back} />`;
  if (view.attempt === undefined) return null;
  const says = text.past.attempt(view.attempt, latest?.attempt);
  return html`<${Band} key=${view.attempt} says=${says} back=${text.past.latest} />`;
}

/** Show what is now. */
export function backToNow() {
  past.value = null;
  ask({ at: null, attempt: null });
}

/**
 * It is said aloud when it comes and when it goes, and not again with every moment that is scrubbed over.
 *
 * @param {{says: string, back: string}} props
 */
function Band({ says, back }) {
  useEffect(() => {
    announce(says);
    return () => announce(text.past.now);
  }, []);
  return html`<div class="past-band"><p>${says}</p><button onClick=${backToNow}>${back}</button></div>`;
}
