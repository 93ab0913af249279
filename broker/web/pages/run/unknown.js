/** A run of which nothing can be shown: it has not begun, is gone, or the gateway refuses. */

import { html } from "../../vendor/preact.js";
import { common } from "../../text/common.js";
import { text } from "../../text/run.js";
import { backToNow } from "./bands.js";

/**
 * @param {object} props
 * @param {string} props.run
 * @param {import("../../core/live.js").Shown} props.shown
 * @param {import("./chosen.js").Chosen} props.chosen
 * @param {() => void} props.again
 */
export function Unknown({ run, shown, chosen, again }) {
  if (chosen.problem) {
    const title = chosen.at ? text.unknown.noPast : text.unknown.noAttempt;
    return html`<section class="empty" role="alert"><h1>${title}</h1>
      <p class="wrap">${reason(chosen.problem)}</p>
      <button onClick=${backToNow}>${text.unknown.latest}</button></section>`;
  }
  if (shown.problem && shown.problem.name !== "run-not-found") {
    return html`<section class="empty" role="alert"><h1>${text.unknown.refused}</h1>
      <p class="wrap">${shown.problem.message}</p><button onClick=${again}>${common.retry}</button></section>`;
  }
  if (shown.problem) {
    return html`<section class="empty"><h1>${text.unknown.title}</h1>
      <p class="wrap" role="status">${text.unknown.detail(run)}</p>
      <div class="bar run-watching" data-unknown data-status="running" aria-hidden="true" />
      <a class="button" href="/">${common.home}</a></section>`;
  }
  return html`<section class="empty"><h1 class="wrap">${run}</h1><p>${text.unknown.loading}</p></section>`;
}

/** @param {unknown} problem */
function reason(problem) {
  return problem instanceof Error ? problem.message : String(problem);
}
