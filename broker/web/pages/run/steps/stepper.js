/** A few steps in a line, or below each other where there is little room. */

import { html } from "../../../vendor/preact.js";
import { ask, query } from "../../../core/route.js";
import { Icon } from "../../../parts/icons.js";
import { ENDED, wordFor } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { nameOf } from "../times.js";
import { StepBar, Took, amountOf, noteOf } from "./row.js";

/** @param {{state: any, ids: string[]}} props */
export function Stepper({ state, ids }) {
  const { steps } = state;
  const current = currentOf(ids, state);
  const chosen = query.value.get("step");
  return html`<ol class="stepper" data-count=${ids.length > 4 ? "many" : "few"} aria-label=${text.steps.label}>
    ${ids.map((id, at) => html`<${Stage} key=${id} id=${id} step=${steps[id]} state=${state} isCurrent=${at === current}
      near=${Math.abs(at - current) <= 1} chosen=${id === chosen} />`)}
  </ol>`;
}

/** @param {{id: string, step: any, state: any, isCurrent: boolean, near: boolean, chosen: boolean}} props */
function Stage({ id, step, state, isCurrent, near, chosen }) {
  const { status } = step;
  const { note, bad } = noteOf(step);
  const amount = amountOf(step);
  return html`<li class="stage" data-status=${status} data-near=${near ? "" : undefined} aria-current=${isCurrent ? "step" : undefined}>
    <span class="stage-mark" data-status=${status}><${Icon} name=${status} /></span>
    <button class="stage-name" aria-expanded=${chosen} onClick=${() => ask({ step: chosen ? null : id })}>
      <span class="hidden">${wordFor(status)}: </span><span class="clip" title=${id}>${nameOf(id, step)}</span>
    </button>
    <div class="stage-body">
      <${StepBar} id=${id} step=${step} />
      <p class="stage-facts"><${Took} step=${step} state=${state} />
        ${status === "paused" && html`<span class="stage-rests" aria-hidden="true">${wordFor(status)}</span>`}
        ${amount && html`<span class="numbers clip">${amount}</span>`}
        ${step.attempt > 1 && html`<span class="tag">${text.steps.attempt} ${step.attempt}</span>`}</p>
      ${note && html`<p class=${`stage-note wrap ${bad ? "bad" : ""}`}>${note}</p>`}
    </div>
  </li>`;
}

/**
 * Where the run is, or stood when it ended or was lost: the step that ran, or failed, or would come
 * next. Of an ended run none comes next.
 *
 * @param {string[]} ids
 * @param {any} state
 */
function currentOf(ids, { steps, status: of }) {
  for (const statuses of [["running", "retrying", "paused", "unknown", "lost"], ["failed"], ENDED.has(of) ? [] : ["pending"]]) {
    const at = ids.findIndex((id) => statuses.includes(steps[id].status));
    if (at >= 0) return at;
  }
  return of === "completed" || !ENDED.has(of) ? ids.length - 1 : -1;
}
