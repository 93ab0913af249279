/** What is done with many runs: the bar while some are selected, the question, and what came of it. */

import { html, useRef } from "../../vendor/preact.js";
import { encoded } from "../../core/api.js";
import { Dialog } from "../../parts/dialog.js";
import { list } from "../../text/list.js";
import { asked, give, send } from "./commands.js";
import { chosen, clear } from "./selection.js";

const words = list.commands;
/** @type {import("./commands.js").Command[]} */
const COMMANDS = ["cancel", "retry", "pause", "resume"];
/** Refusals that are listed. */
const SHOWN = 100;

/** @param {{total: number, all: () => void}} props `total`: runs that match the search; `all` selects them */
export function Bulk({ total, all }) {
  const { size } = chosen.value;
  if (!size) return null;
  return html`<section class="runs-bulk card" aria-label=${list.select.label}>
    <b class="numbers">${list.select.chosen(size)}</b>
    ${total > size && html`<button class="plain" onClick=${all}>${list.select.all(total)}</button>`}
    <button class="plain" onClick=${clear}>${list.select.none}</button>
    <span class="runs-bulk-do">${COMMANDS.map((command) => html`<button key=${command}
      class=${command === "cancel" ? "danger" : undefined} onClick=${() => give(command, [...chosen.value])}>${words[command]}</button>`)}</span>
  </section>`;
}

/** The question before runs are cancelled, and which commands were refused. */
export function CommandDialog() {
  const about = asked.value;
  if (!about) return null;
  const close = () => (asked.value = null);
  return about.stage === "told" ? html`<${Told} key="told" about=${about} close=${close} />`
    : html`<${Question} key="ask" about=${about} close=${close} />`;
}

/** @param {{about: import("./commands.js").Asked, close: () => void}} props */
function Question({ about, close }) {
  const reason = useRef(/** @type {HTMLInputElement | null} */ (null));
  const name = words[about.command];
  const sending = about.stage === "sending";
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    send(about.command, about.runs, reason.current?.value.trim());
  };
  return html`<${Dialog} title=${words.title(name, about.runs.length)} onClose=${close}>
    <form class="runs-ask" onSubmit=${submit}>
      <p>${words.cancelling}</p>
      <${Runs} runs=${about.runs} />
      <label>${words.reason} <small class="muted">${words.reasonHint}</small>
        <input ref=${reason} name="reason" maxlength="1024" autocomplete="off" autofocus dir="auto" /></label>
      ${about.failed && html`<p class="runs-ask-failed wrap" role="alert">${about.failed}</p>`}
      <p class="runs-ask-do"><button type="button" onClick=${close}>${words.back}</button>
        <button class="danger" disabled=${sending}>${sending ? words.sending(name) : words.confirm(name, about.runs.length)}</button></p>
    </form>
  <//>`;
}

/** The first of the runs that a question is about. @param {{runs: string[]}} props */
function Runs({ runs }) {
  const some = runs.slice(0, 3);
  return html`<p class="muted wrap">${some.join(", ")}${runs.length > some.length && `, ${list.row.more(runs.length - some.length)}`}</p>`;
}

/** @param {{about: import("./commands.js").Asked, close: () => void}} props */
function Told({ about, close }) {
  const { command, told, refused } = about;
  const select = () => {
    chosen.value = new Set(refused.map(({ run }) => run));
    close();
  };
  return html`<${Dialog} title=${words.resultTitle} onClose=${close}>
    <p>${words.result(words[command], told, refused.length)}.</p>
    <h3>${words.refusedRuns}</h3>
    <ul class="runs-refused" tabindex="0" aria-label=${words.refusedRuns}>${refused.slice(0, SHOWN).map(({ run, why }) => html`<li key=${run}>
      <a class="wrap" href=${`/runs/${encoded(run)}`}>${run}</a><span class="muted wrap">${why}</span></li>`)}
      ${refused.length > SHOWN && html`<li>${list.row.more(refused.length - SHOWN)}</li>`}
    </ul>
    <p class="runs-ask-do"><button onClick=${select}>${words.selectRefused(refused.length)}</button>
      <button class="primary" onClick=${close}>${words.done}</button></p>
  <//>`;
}
