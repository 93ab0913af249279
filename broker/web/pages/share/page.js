/** One run to look at, and nothing else: no commands, no log, no way to other runs. */

import { html } from "../../vendor/preact.js";
import { Lazy } from "../../parts/lazy.js";
import { Guard } from "../../parts/page.js";
import { Status } from "../../parts/status.js";
import { share } from "../../text/share.js";
import { useLive } from "../run/chosen.js";
import { Facts } from "../run/facts.js";
import { noteOf } from "../run/header.js";
import { Milestones } from "../run/milestones.js";
import { Overall } from "../run/overall.js";
import { Problem } from "../run/problem.js";
import { useSettled } from "../run/settled.js";
import { Paused, Silence } from "../run/signs.js";
import { nameOf } from "../run/times.js";
import { useTitle } from "../run/title.js";
import { Unknown } from "../run/unknown.js";

const steps = () => import("../run/steps/tab.js");

/** @param {{run: string}} props */
export default function SharePage({ run }) {
  const live = useLive(run);
  const shown = live.shown.value;
  const state = useSettled(shown.state);
  useTitle(run, state);
  if (!state) {
    const chosen = { state: undefined, attempt: undefined, at: undefined, problem: undefined };
    return html`<${Unknown} run=${run} shown=${shown} chosen=${chosen} again=${live.again} />`;
  }
  return html`<article class="run">
    <header class="run-header">
      <div class="run-head"><div class="run-names">
        ${state.pipeline && html`<span class="run-pipeline clip" title=${state.pipeline}>${state.pipeline}</span>`}
        <h1 class="wrap run-name">${nameOf(run, state)}</h1>
      </div><span class="muted">${share.readOnly}</span></div>
      <div class="run-standing">
        <span class="run-status" data-status=${state.status}><${Status} status=${state.status} /></span>
        <${Facts} run=${run} state=${state} latest=${{ ...state, attempt: 1 }} ofNow />
      </div>
      ${shown.problem && html`<p class="run-note wrap" role="status">${noteOf(shown.problem)}</p>`}
      <${Silence} state=${state} /><${Paused} state=${state} />
      ${state.status === "failed" && html`<${Problem} state=${state} />`}
      ${state.message && html`<p class="run-message wrap">${state.message}</p>`}
    </header>
    <${Overall} state=${state} />
    <section aria-label=${share.steps}><${Guard}><${Lazy} load=${steps} run=${run} state=${state} /><//></section>
    <${Milestones} state=${state} />
  </article>`;
}
