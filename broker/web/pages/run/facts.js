/** The line of facts: how long, until when, how fresh, which attempt. */

import { html } from "../../vendor/preact.js";
import { ago, duration, full, moment, range } from "../../core/format.js";
import { ask, query } from "../../core/route.js";
import { ENDED, wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { Ahead } from "./ahead.js";
import { useEstimate } from "./estimate.js";
import { past, present, still } from "./past.js";
import { elapsed } from "./times.js";

/** @param {{run: string, state: any, latest: any, ofNow: boolean}} props */
export function Facts({ run, state, latest, ofNow }) {
  const goesOn = ofNow && !ENDED.has(state.status);
  return html`<dl class="facts">
    <div><dt>${state.started_at ? text.facts.elapsed : text.facts.queued}</dt><dd><${Elapsed} state=${state} /></dd></div>
    ${goesOn && html`<div><dt>${text.facts.eta}</dt><dd><${Ends} run=${run} status=${state.status} /></dd></div>`}
    <div><dt>${text.facts.updated}</dt><dd><${Updated} at=${state.updated_at} /></dd></div>
    ${state.worker && html`<div><dt>${text.facts.worker}</dt><dd class="clip fact-worker" title=${state.worker}>${state.worker}</dd></div>`}
    ${latest.attempt > 1 && html`<div><dt><label for="attempt">${text.facts.attempt}</label></dt>
      <dd><${Attempts} state=${state} latest=${latest} /></dd></div>`}
  </dl>`;
}

/** @param {{state: any}} props */
function Elapsed({ state }) {
  const begun = moment(state.started_at ?? state.queued_at);
  const seconds = elapsed(state, present.value);
  if (seconds === undefined && Number.isFinite(begun)) return html`<${Ahead} at=${begun} />`;
  return html`<span class="numbers" title=${full(begun)}>${duration(seconds)}</span>`;
}

/** @param {{at: string | undefined}} props */
function Updated({ at }) {
  const then = moment(at);
  const shown = still.value !== null ? full(then) : ago(then, present.value);
  return html`<time class="numbers" datetime=${at} title=${full(then)}>${shown}</time>`;
}

/** @param {{run: string, status: string}} props */
function Ends({ run, status }) {
  const estimate = useEstimate(run, status);
  if (!estimate?.finish)
    return html`<span class="muted">${text.facts.unknownEta}</span>${estimate?.reason && html`<small class="why">${estimate.reason}</small>`}`;
  const early = (moment(estimate.finish.p50) - present.value) / 1000;
  const late = (moment(estimate.finish.p90) - present.value) / 1000;
  return html`<span class="numbers" title=${text.facts.basis[estimate.basis]}>${inSeconds(early, late)}</span>
    ${estimate.overdue && html` <strong class="overdue">${text.facts.overdue}</strong>`}`;
}

/** @param {number} early @param {number} late */
function inSeconds(early, late) {
  if (late <= 0) return text.facts.moment;
  return early <= 0 ? text.facts.upTo(range(late, late)) : text.facts.within(range(early, late));
}

/** @param {{state: any, latest: any}} props */
function Attempts({ state, latest }) {
  /** @param {Event} event */
  const choose = (event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.currentTarget);
    past.value = null;
    ask({ attempt: value === String(latest.attempt) ? null : value, at: null });
  };
  const asked = query.value.get("attempt");
  const shown = asked && !past.value ? asked : String(state.attempt);
  return html`<select id="attempt" value=${shown} onChange=${choose}>
    <option value=${String(latest.attempt)}>${text.facts.attemptNow(latest.attempt)}</option>
    ${[...(latest.attempts ?? [])].reverse().map((/** @type {any} */ { attempt, status }) => html`<option
      key=${attempt} value=${String(attempt)}>${text.facts.attemptOf(attempt, wordFor(status))}</option>`)}
  </select>`;
}
