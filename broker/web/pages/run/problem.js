/** Why a run failed: what it says itself, and the steps that failed. */

import { html } from "../../vendor/preact.js";
import { ask } from "../../core/route.js";
import { Icon } from "../../parts/icons.js";
import { text } from "../../text/run.js";
import { nameOf } from "./times.js";
import { Tree } from "./tree.js";

/** Steps that are named; the list of steps has them all. */
const NAMED = 5;

/** @param {{state: any, brief?: boolean}} props `brief`: a line that unfolds, where something else is to be seen */
export function Problem({ state, brief = false }) {
  const error = state.error ?? {};
  const title = html`<h2><${Icon} name="failed" />${error.type ? html`<span class="wrap">${error.type}</span>` : text.problem.title}</h2>`;
  if (!brief)
    return html`<section class="problem" aria-label=${text.problem.title}>${title}<${Reasons} state=${state} error=${error} /></section>`;
  return html`<section class="problem" data-brief aria-label=${text.problem.title}><details class="trace">
    <summary>${title}<span class="problem-line clip">${error.message}</span></summary>
    <${Reasons} state=${state} error=${error} />
  </details></section>`;
}

/** @param {{state: any, error: any}} props */
function Reasons({ state, error }) {
  const failed = failedSteps(state.steps);
  return html`<p class="problem-message wrap">${error.message ?? (failed.length ? null : text.problem.unnamed)}</p>
    ${(error.kind || error.retryable !== undefined) && html`<p class="problem-kind">
      ${error.kind && html`<span>${text.problem.kinds[error.kind] ?? error.kind}</span>`}
      ${error.retryable !== undefined && html`<span>${error.retryable ? text.problem.retryable : text.problem.notRetryable}</span>`}
    </p>`}
    ${failed.length > 0 && html`<div class="problem-steps"><h3>${text.problem.steps}</h3><ul>
      ${failed.slice(0, NAMED).map(([id, step]) => html`<li key=${id}>
        <button class="link" onClick=${() => ask({ tab: null, step: id })}>${nameOf(id, step)}</button>
        ${step.error?.message && step.error.message !== error.message && html`<span class="wrap">${step.error.message}</span>`}
      </li>`)}
      ${failed.length > NAMED && html`<li class="muted">${text.problem.more(failed.length - NAMED)}</li>`}
    </ul></div>`}
    <${Traces} error=${error} />`;
}

/**
 * What of an error is long: folded until it is asked for.
 *
 * @param {{error: any}} props
 */
export function Traces({ error }) {
  return html`${error.stack && html`<details class="trace"><summary>${text.problem.stack}</summary>
      <pre tabindex="0" aria-label=${text.problem.stack}>${error.stack}</pre></details>`}
    ${error.details !== undefined && html`<details class="trace"><summary>${text.problem.details}</summary>
      <${Tree} value=${error.details} /></details>`}`;
}

/**
 * @param {Record<string, any>} steps
 * @returns {[string, any][]}
 */
function failedSteps(steps) {
  return Object.entries(steps)
    .filter(([, step]) => step.status === "failed")
    .sort(([, a], [, b]) => a.index - b.index);
}
