/** One row of the list of steps. */

import { html } from "../../../vendor/preact.js";
import { duration, moment, number } from "../../../core/format.js";
import { Bar } from "../../../parts/bar.js";
import { Icon } from "../../../parts/icons.js";
import { Status, wordFor } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { Ahead } from "../ahead.js";
import { fractionOf } from "../fraction.js";
import { present } from "../past.js";
import { nameOf, stepTook } from "../times.js";

/** `320 of 1,000 rows`; nothing where a step says nothing. @param {any} step */
export function amountOf(step) {
  if (step.current == null) return "";
  const measure = step.unit ? ` ${step.unit}` : "";
  if (step.total == null) return `${number(step.current)}${measure}`;
  return `${number(step.current)}/${step.total_final === false ? "≥" : ""}${number(step.total)}${measure}`;
}

/**
 * What a step says. Why an earlier attempt failed counts no more once the step has ended well.
 *
 * @param {any} step
 */
export function noteOf(step) {
  const bad = Boolean(step.error) && (step.status === "failed" || step.status === "retrying");
  return { bad, note: bad ? step.error.message ?? step.error.type : step.message };
}

/** How long a step has taken, counting. @param {{step: any, state: any}} props */
export function Took({ step, state }) {
  if (!step.started_at && step.duration === undefined) return html`<span class="numbers" />`;
  const seconds = stepTook(step, state, present.value);
  return seconds === undefined ? html`<${Ahead} at=${moment(step.started_at)} />` : html`<span class="numbers">${duration(seconds)}</span>`;
}

/** A step's bar; none where it has nothing to show. @param {{id: string, step: any}} props */
export function StepBar({ id, step }) {
  const fraction = fractionOf(step);
  const idle = fraction === undefined && step.status !== "running" && step.status !== "paused";
  return idle ? null : html`<${Bar} label=${nameOf(id, step)} fraction=${fraction} status=${step.status} text=${amountOf(step) || undefined} />`;
}

/**
 * @param {object} props
 * @param {import("./rows.js").StepRow} props.row
 * @param {any} props.state of the run
 * @param {boolean} props.chosen
 * @param {boolean} props.walked whether the keys are at it
 * @param {string} props.dom its id in the document
 * @param {() => void} props.onChoose
 * @param {(open: boolean) => void} props.onTurn
 */
export function StepLine({ row, state, chosen, walked, dom, onChoose, onTurn }) {
  const { id, step, depth, open, below } = row;
  const { note, bad } = noteOf(step);
  return html`<div
    id=${dom} class="step-row" role="treeitem" aria-level=${depth + 2} aria-expanded=${open} aria-selected=${chosen}
    data-status=${step.status} data-walked=${walked ? "" : undefined} onClick=${onChoose}
  >
    <span class="step-name" style=${{ paddingInlineStart: `${Math.min(depth, 12) * 16}px` }}>
      ${open === undefined ? html`<span class="twist" />` : html`<button class="twist" tabindex="-1"
        aria-label=${open ? text.steps.fold : text.steps.unfold} onClick=${(/** @type {Event} */ event) => {
          event.stopPropagation();
          onTurn(!open);
        }}><${Icon} name=${open ? "down" : "right"} /></button>`}
      <${Status} status=${step.status} quiet /><span class="clip" title=${id}>${nameOf(id, step)}</span>
      ${step.attempt > 1 && html`<span class="tag">${text.steps.attempt} ${step.attempt}</span>`}
    </span>
    <span class="step-bar"><${StepBar} id=${id} step=${step} /></span>
    <span class="step-amount numbers clip">${below ? childrenOf(below) : amountOf(step)}</span>
    <span class=${`step-note clip ${bad ? "bad" : ""}`} title=${note}>${note}</span>
    <span class="step-took"><${Took} step=${step} state=${state} /></span>
  </div>`;
}

/** @param {import("./rows.js").Below} below */
function childrenOf({ total, done, failed }) {
  const said = text.steps.children(number(done), number(total));
  return failed ? `${said}, ${text.steps.failedChildren(failed)}` : said;
}

/**
 * @param {object} props
 * @param {import("./rows.js").GroupRow} props.row
 * @param {boolean} props.walked
 * @param {string} props.dom
 */
export function GroupLine({ row, walked, dom }) {
  const { name, group } = row;
  const counts = groupCounts(group);
  const done = counts.completed + counts.skipped;
  const said = Object.entries(group.counts).filter(([, n]) => /** @type {number} */ (n) > 0)
    .map(([status, n]) => `${number(/** @type {number} */ (n))} ${wordFor(status).toLowerCase()}`).join(", ");
  return html`<div id=${dom} class="step-row" role="treeitem" aria-level="2" aria-selected="false" data-walked=${walked ? "" : undefined}>
    <span class="step-name"><span class="twist" /><span class="clip" title=${name}>${name}</span></span>
    <span class="step-bar"><${Bar} label=${name} status="running" fraction=${counts.total ? Math.min(done / counts.total, 0.999999) : undefined}
      counts=${counts.total ? counts : undefined} text=${said} /></span>
    <span class="step-amount numbers clip">${number(done)}/${group.total == null ? "?" : number(group.total)}</span>
    <span class="step-note clip" title=${said}>${said}</span>
  </div>`;
}

/**
 * A group's counts as a stacked bar wants them: by known status, with what there is in all.
 *
 * @param {any} group
 * @returns {Record<string, number>}
 */
function groupCounts({ counts, total }) {
  const sum = Object.values(counts).reduce((a, b) => /** @type {number} */ (a) + /** @type {number} */ (b), 0);
  return { completed: 0, skipped: 0, ...counts, total: Math.max(Number(total ?? 0), Number(sum)) };
}
