/** All that is known of one step. */

import { html } from "../../../vendor/preact.js";
import { full, moment } from "../../../core/format.js";
import { path, query } from "../../../core/route.js";
import { Icon } from "../../../parts/icons.js";
import { Status } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { Traces } from "../problem.js";
import { nameOf } from "../times.js";
import { Tree } from "../tree.js";
import { StepBar, Took, amountOf, noteOf } from "./row.js";

/** @param {{id: string, state: any}} props */
export function StepDetails({ id, state }) {
  const step = Object.hasOwn(state.steps, id) ? state.steps[id] : undefined;
  const words = text.steps;
  if (!step) return html`<p class="muted">${words.gone}</p>`;
  return html`<div class="details">
    <p class="details-standing"><${Status} status=${step.status} /><${Took} step=${step} state=${state} />
      ${step.attempt > 1 && html`<span class="tag">${words.attempt} ${step.attempt}</span>`}</p>
    <${StepBar} id=${id} step=${step} />
    ${amountOf(step) && html`<p class="numbers">${amountOf(step)}</p>`}
    ${step.error && html`<${StepProblem} step=${step} />`}
    ${step.message && html`<p class="wrap">${step.message}</p>`}
    ${step.cached && html`<p class="muted">${words.cached}</p>`}
    ${path.value.startsWith("/runs/") && html`<p><a class="button" href=${addressWith({ tab: "logs", step: id })}>${words.logs}</a></p>`}
    <dl class="details-facts">
      <${Fact} name=${words.id}><code class="wrap">${id}</code><//>
      <${Fact} name=${words.started}>${step.started_at && full(moment(step.started_at))}<//>
      <${Fact} name=${words.ended}>${step.ended_at && full(moment(step.ended_at))}<//>
      <${Fact} name=${words.parent}>${step.parent && html`<${StepLink} id=${step.parent} state=${state} />`}<//>
      <${Fact} name=${words.waits}>${step.after?.length && html`<ul>${step.after.map((/** @type {string} */ other) => html`
        <li key=${other}><${StepLink} id=${other} state=${state} /></li>`)}</ul>`}<//>
    </dl>
    ${step.outputs && html`<section><h3>${words.outputs}</h3><${Tree} value=${step.outputs} /></section>`}
    ${step.metadata && html`<section><h3>${words.metadata}</h3><${Tree} value=${step.metadata} /></section>`}
  </div>`;
}

/** @param {{step: any}} props */
function StepProblem({ step }) {
  const { error } = step;
  const { bad } = noteOf(step);
  return html`<section class="problem" data-old=${bad ? undefined : ""}>
    ${!bad && html`<p class="muted">${text.steps.earlier}</p>`}
    <h3><${Icon} name="failed" /><span class="wrap">${error.type ?? text.problem.title}</span></h3>
    <p class="problem-message wrap">${error.message ?? (error.type ? null : text.problem.unnamed)}</p><${Traces} error=${error} />
  </section>`;
}

/** @param {{name: string, children?: any}} props nothing where there is nothing to say */
function Fact({ name, children }) {
  return children ? html`<div><dt>${name}</dt><dd>${children}</dd></div>` : null;
}

/** @param {{id: string, state: any}} props */
function StepLink({ id, state }) {
  const step = Object.hasOwn(state.steps, id) ? state.steps[id] : undefined;
  return html`<a class="wrap" href=${addressWith({ step: id })}>${nameOf(id, step)}</a>`;
}

/**
 * This page with some of its query changed.
 *
 * @param {Record<string, string>} changes
 */
function addressWith(changes) {
  const asked = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) asked.set(name, value);
  return `${location.pathname}?${asked}`;
}
