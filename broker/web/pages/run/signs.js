/** The producer's silence, which is not the viewer's; and what a paused run waits for. */

import { html } from "../../vendor/preact.js";
import { duration, full, isAhead, moment } from "../../core/format.js";
import { Icon } from "../../parts/icons.js";
import { wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { Ahead } from "./ahead.js";
import { present, still } from "./past.js";

/** How many of its own intervals a producer may be silent before it is said. */
const PATIENCE = 1.5;

/** @param {{state: any}} props */
export function Silence({ state }) {
  const interval = state.heartbeat_interval;
  if (state.status === "lost" && state.silence) {
    return html`<p class="sign-box" data-status="lost"><${Icon} name="lost" /><span>
      <strong>${text.silence.lost(since(state.silence.since))}.</strong>
      ${interval ? ` ${text.silence.lostDetail(wordFor(state.silence.was).toLowerCase(), duration(interval))}` : null}
    </span></p>`;
  }
  if (!interval || state.ended_at || !state.started_at || still.value !== null) return null;
  const silent = (present.value - moment(state.last_seen)) / 1000;
  if (!(silent > interval * PATIENCE)) return null;
  return html`<p class="sign-box" data-status="lost"><${Icon} name="lost" />
    <span>${text.silence.quiet(duration(silent), duration(interval))}</span></p>`;
}

/** @param {{state: any}} props */
export function Paused({ state }) {
  if (!state.paused) return null;
  const { reason, prompt, since: began } = state.paused;
  const at = moment(began);
  return html`<section class="sign-box" data-status="paused"><${Icon} name="paused" /><div>
    ${isAhead(at, present.value) ? html`<strong>${wordFor("paused")}</strong> · <${Ahead} at=${at} />`
      : html`<strong title=${full(at)}>${text.paused.since(since(began))}</strong>`}
    ${reason && html`<p class="wrap">${reason}</p>`}
    ${prompt && html`<p class="wrap prompt">${prompt}</p>`}
  </div></section>`;
}

/** @param {string} began */
function since(began) {
  return duration(Math.max(0, Math.round((present.value - moment(began)) / 1000)));
}
