/** What became of each command: asked, answered by the producer, in effect. */

import { html } from "../../vendor/preact.js";
import { ago, duration, full, moment } from "../../core/format.js";
import { ENDED } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { present } from "./past.js";

/** Commands that stand open; earlier ones are folded. */
const SHOWN = 2;

/** @param {{state: any}} props */
export function Receipts({ state }) {
  const given = Object.entries(state.commands ?? {}).sort(([, a], [, b]) => moment(b.at) - moment(a.at));
  if (!given.length) return null;
  const earlier = given.slice(SHOWN);
  return html`<section class="receipts" aria-label=${text.commands.label}>
    <ul>${given.slice(0, SHOWN).map(([id, command]) => html`<${Receipt} key=${id} command=${command} state=${state} />`)}</ul>
    ${earlier.length > 0 && html`<details><summary>${text.commands.earlier(earlier.length)}</summary>
      <ul>${earlier.map(([id, command]) => html`<${Receipt} key=${id} command=${command} state=${state} />`)}</ul></details>`}
  </section>`;
}

/** @param {{command: any, state: any}} props */
function Receipt({ command, state }) {
  const at = moment(command.at);
  const words = text.commands;
  const stages = [
    { name: "asked", says: `${words.asked} ${ago(at, present.value)}`, title: full(at) },
    answered(command, at),
    ...(command.result === "accepted" ? [effect(command, state)] : []),
  ];
  return html`<li class="receipt" data-result=${command.result ?? "none"}>
    <strong>${words.name[command.type] ?? command.type}</strong>
    ${command.by && html`<span class="wrap">${words.byWhom(command.by)}</span>`}
    <ol>${stages.map(({ name, says, title }) => html`<li key=${name} data-stage=${name} title=${title}>${says}</li>`)}</ol>
    ${command.reason && html`<span class="muted wrap">“${command.reason}”</span>`}
    ${command.answer && html`<span class="wrap">${command.answer}</span>`}
  </li>`;
}

/** @param {any} command @param {number} at */
function answered(command, at) {
  if (command.result) {
    return { name: command.result, says: text.commands.result[command.result] ?? command.result,
      title: full(moment(command.acknowledged_at)) };
  }
  const waited = Math.max(0, Math.round((present.value - at) / 1000));
  return { name: "unanswered", says: text.commands.unanswered(duration(waited)), title: undefined };
}

/** @param {any} command @param {any} state */
function effect(command, state) {
  const later = state.attempt > (command.attempt ?? 1);
  /** @type {Record<string, boolean>} */
  const done = {
    cancel: later || state.status === "cancelled",
    retry: later,
    pause: later || state.status === "paused" || ENDED.has(state.status),
    resume: later || state.status !== "paused",
  };
  const effective = done[command.type] ?? false;
  return {
    name: effective ? "effective" : "waiting",
    says: effective ? text.commands.effective[command.type] : text.commands.waiting,
    title: undefined,
  };
}
