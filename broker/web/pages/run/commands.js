/** What a person may ask of a run: each command with a question first, and why one cannot be given. */

import { html, useState } from "../../vendor/preact.js";
import { encoded, post } from "../../core/api.js";
import { useKeys } from "../../core/keys.js";
import { store, stored } from "../../core/keep.js";
import { announce, toast } from "../../parts/announce.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icons.js";
import { ENDED } from "../../parts/status.js";
import { text } from "../../text/run.js";

/** What the gateway takes at most, in characters. */
const LONGEST = { reason: 1024, by: 256 };

/** @typedef {"cancel" | "retry" | "pause" | "resume"} Command */

/** @type {Record<Command, string>} */
const ICONS = { cancel: "cancelled", retry: "retrying", pause: "paused", resume: "play" };

/** @param {{run: string, state: any, ofNow: boolean, again: () => void}} props */
export function Commands({ run, state, ofNow, again }) {
  const [asking, setAsking] = useState(/** @type {Command | null} */ (null));
  /** @type {Command[]} */
  const offered = ["cancel", pausedNow(state) ? "resume" : "pause", "retry"];
  /** @param {Command} command */
  const begin = (command) => {
    const why = refusal(command, state, ofNow);
    if (why) toast(`${text.commands[command]}: ${why}`, "refused");
    else setAsking(command);
  };
  useKeys(text.keys.page, [
    { key: "c", does: text.keys.cancel, act: () => begin("cancel") },
    { key: "p", does: text.keys.pause, act: () => begin(offered[1]) },
    { key: "r", does: text.keys.retry, act: () => begin("retry") },
  ], [state.status, state.cancellable, ofNow]);
  return html`${offered.map((command) => {
      const why = refusal(command, state, ofNow);
      return html`<button
        key=${command} class=${`command ${command === "cancel" && !why ? "danger" : ""}`}
        aria-disabled=${why ? "true" : undefined} title=${why} onClick=${() => begin(command)}
      ><${Icon} name=${ICONS[command]} />${text.commands[command]}${why && html`<span class="hidden">: ${why}</span>`}</button>`;
    })}
    ${asking && html`<${Confirm} run=${run} command=${asking} again=${again} onClose=${() => setAsking(null)} />`}`;
}

/** @param {{run: string, command: Command, again: () => void, onClose: () => void}} props */
function Confirm({ run, command, again, onClose }) {
  const [refused, refuse] = useState("");
  const [busy, setBusy] = useState(false);
  /** @param {SubmitEvent} event */
  const give = async (event) => {
    event.preventDefault();
    const said = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const by = String(said.get("by") ?? "").trim();
    const reason = String(said.get("reason") ?? "").trim();
    store("by", by || null);
    setBusy(true);
    try {
      await post(`/v1/runs/${encoded(run)}/${command}`, { ...(reason && { reason }), ...(by && { by }) });
      announce(text.commands.sent(text.commands[command]));
      again();
      onClose();
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${text.commands.title[command]} onClose=${onClose}>
    <form class="confirm" onSubmit=${give}>
      <p>${text.commands.detail[command]}</p>
      <label>${text.commands.reason}<input name="reason" autofocus maxlength=${LONGEST.reason} autocomplete="off" /></label>
      <label>${text.commands.by}<input name="by" maxlength=${LONGEST.by} autocomplete="name" value=${stored("by") ?? ""} /></label>
      ${refused && html`<p class="refused wrap" role="alert">${refused}</p>`}
      <footer>
        <button type="button" onClick=${onClose}>${text.commands.no}</button>
        <button type="submit" class=${command === "cancel" ? "danger" : "primary"} disabled=${busy}>${text.commands.yes[command]}</button>
      </footer>
    </form>
  <//>`;
}

/**
 * Why a command cannot be given; nothing where it can, as far as this page knows.
 *
 * @param {Command} command
 * @param {any} state of now
 * @param {boolean} ofNow
 */
function refusal(command, state, ofNow) {
  const { why } = text.commands;
  if (!ofNow) return why.old;
  const ended = ENDED.has(state.status);
  if (command === "retry") {
    if (!ended && state.status !== "lost") return why.alive;
    return state.pipeline ? undefined : why.noPipeline;
  }
  if (ended) return why.ended;
  if (command === "cancel") return state.cancellable === false ? why.notCancellable : undefined;
  return command === "pause" && state.status === "queued" ? why.queued : undefined;
}

/** Whether a run stands still, or stood still before its producer was lost. @param {any} state */
function pausedNow(state) {
  return (state.status === "lost" ? state.silence?.was : state.status) === "paused";
}
