/** What a run is and how it stands; why it failed stands right below, so that nobody has to search. */

import { html } from "../../vendor/preact.js";
import { called } from "../../core/format.js";
import { query } from "../../core/route.js";
import { CopyButton } from "../../parts/copy.js";
import { Status } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { Bell } from "./bell.js";
import { Commands } from "./commands.js";
import { Facts } from "./facts.js";
import { Problem } from "./problem.js";
import { Receipts } from "./receipts.js";
import { Share } from "./share.js";
import { Paused, Silence } from "./signs.js";

/**
 * @param {object} props
 * @param {{run: string, state: any, attempt?: number, at?: string}} props.view what is shown
 * @param {any} props.latest the state of now
 * @param {boolean} props.ofNow whether what is shown is of now
 * @param {import("../../core/api.js").Refused | null} props.problem why the gateway shows it no more
 * @param {() => void} props.again asks for the run again
 */
export function Header({ view, latest, ofNow, problem, again }) {
  const { run, state } = view;
  const name = called(state.name, run);
  const brief = (query.value.get("tab") ?? "steps") !== "steps";
  return html`<header class="run-header">
    <div class="run-head">
      <div class="run-names">
        ${state.pipeline && html`<a class="run-pipeline clip" href=${`/?q=${encodeURIComponent(`pipeline:${quoted(state.pipeline)}`)}`}
          title=${state.pipeline}>${state.pipeline}</a>`}
        <h1 class="wrap run-name" title=${name}>${name}</h1>
        ${name !== run && html`<p class="run-id"><code class="clip" title=${run}>${run}</code>
          <${CopyButton} text=${run} label=${text.facts.copyId} bare /></p>`}
      </div>
      <div class="run-actions">
        <${Commands} run=${run} state=${latest} ofNow=${ofNow} again=${again} />
        <${Share} run=${run} state=${state} />
        <${Bell} run=${run} ended=${Boolean(latest.ended_at)} />
      </div>
    </div>
    <div class="run-standing">
      <span class="run-status" data-status=${state.status}><${Status} status=${state.status} /></span>
      <${Facts} run=${run} state=${state} latest=${latest} ofNow=${ofNow} />
    </div>
    ${problem && ofNow && html`<p class="run-note wrap" role="status">${noteOf(problem)}</p>`}
    ${state.error || state.status === "failed" ? html`<${Problem} state=${state} brief=${brief} />` : null}
    ${ofNow && html`<${Silence} state=${state} />`}
    <${Paused} state=${state} />
    ${state.cancelled_by && html`<p class="wrap">${text.facts.cancelledBy(state.cancelled_by)}${state.message && html`: <span class="wrap">${state.message}</span>`}</p>`}
    ${state.message && !state.cancelled_by && html`<p class="run-message wrap">${state.message}</p>`}
    <${Receipts} state=${state} />
  </header>`;
}

/** @param {import("../../core/api.js").Refused} problem */
export function noteOf(problem) {
  return problem.name === "run-not-found" ? text.unknown.gone : `${text.unknown.refused}: ${problem.message}`;
}

/** As the list's search wants it. @param {string} word */
function quoted(word) {
  return /[\s"]/.test(word) ? `"${word.replace(/"/g, "")}"` : word;
}
