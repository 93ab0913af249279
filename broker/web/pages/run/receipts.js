/** What became of each command: asked, answered by the producer, in effect. */

import { html } from "../../vendor/preact.js";
import { ago, duration, full, isAhead, moment } from "../../core/format.js";
import { ENDED, wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { Ahead } from "./ahead.js";
import { present } from "./past.js";

/** Commands that stand open; earlier ones are folded. */
const SHOWN = 2;

/** @param {{state: any}} props */
export function Receipts({ state }) {
  const given = Object.entries(state.commands ?? {}).reverse().sort(([, a], [, b]) => moment(b.at) - moment(a.at));
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
    { name: "asked", says: html`${words.asked} ${isAhead(at, present.value) ? html`<${Ahead} at=${at} />` : ago(at, present.value)}`, title: full(at) },
    answered(command, at, isOver(command, state)),
    effect(command, state),
  ].filter((stage) => stage !== null);
  return html`<li class="receipt" data-result=${command.result ?? "none"}>
    <strong>${words.name[command.type] ?? command.type}</strong>
    ${command.by && html`<span class="wrap">${words.byWhom(command.by)}</span>`}
    <ol>${stages.map(({ name, says, title }) => html`<li key=${name} data-stage=${name} title=${title}>${says}</li>`)}</ol>
    ${command.reason && html`<span class="muted wrap">“${command.reason}”</span>`}
    ${command.answer && html`<span class="wrap">${command.answer}</span>`}
  </li>`;
}

/** Whether the attempt that it was given to has ended: nobody will answer, nor do it. @param {any} command @param {any} state */
const isOver = (command, state) => state.attempt > (command.attempt ?? 1) || ENDED.has(state.status);

/** @param {any} command @param {number} at @param {boolean} over */
function answered(command, at, over) {
  if (command.result) {
    return { name: command.result, says: text.commands.result[command.result] ?? command.result,
      title: full(moment(command.acknowledged_at)) };
  }
  if (over && command.type !== "retry") return { name: "unanswered", says: text.commands.never, title: undefined };
  if (isAhead(at, present.value)) return { name: "unanswered", says: text.commands.notYet, title: undefined };
  const waited = Math.max(0, Math.round((present.value - at) / 1000));
  return { name: "unanswered", says: text.commands.unanswered(duration(waited)), title: undefined };
}

/**
 * Whether what the producer accepted has come about; null where the state does not tell: a pause or
 * a resume that another followed, or that the run's end did.
 *
 * @param {any} command
 * @param {any} state
 */
function effect(command, state) {
  if (command.result !== "accepted") return null;
  const words = text.commands;
  const attempt = command.attempt ?? 1;
  const then = state.attempt === attempt ? state : state.attempts?.find((/** @type {any} */ one) => one.attempt === attempt);
  const over = isOver(command, state);
  const status = then?.status === "lost" ? then.silence?.was : then?.status;
  /** @type {Record<string, boolean>} */
  const done = {
    cancel: status === "cancelled",
    retry: state.attempt > attempt,
    pause: status === "paused",
    resume: status !== "paused",
  };
  const effective = done[command.type] ?? false;
  if (effective && !(over && command.type === "resume"))
    return { name: "effective", says: words.effective[command.type], title: undefined };
  if (over && command.type === "cancel")
    return then && { name: "overtaken", says: words.overtaken(wordFor(then.status).toLowerCase()), title: undefined };
  if (over && command.type !== "retry") return null;
  return taken(command, state) ? null : { name: "waiting", says: words.waiting, title: undefined };
}

/** The command that takes back what one does. @type {Record<string, string>} */
const OPPOSITE = { pause: "resume", resume: "pause" };

/** Whether a command was taken back by a later one. @param {any} command @param {any} state */
function taken(command, state) {
  /** @type {any[]} */
  const given = Object.values(state.commands);
  const place = given.indexOf(command);
  return given.some((other, at) => other.type === OPPOSITE[command.type]
    && (other.at === command.at ? at > place : moment(other.at) > moment(command.at)));
}
