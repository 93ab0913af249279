/** What is folded out below a row: the run's steps as they go, why it failed, and where to go on. */

import { html, useEffect, useMemo, useRef } from "../../vendor/preact.js";
import { encoded } from "../../core/api.js";
import { now } from "../../core/clock.js";
import { date, duration, full, moment } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { Bar } from "../../parts/bar.js";
import { ENDED, Status } from "../../parts/status.js";
import { list } from "../../text/list.js";
import { fractionOf } from "../run/fraction.js";
import { useSettled } from "../run/settled.js";
import { LabelChip } from "./chips.js";
import { Commands } from "./commands.js";
import { term } from "./search.js";
import { amount, elapsed, stepElapsed } from "./telling.js";

const words = list.details;
/** Steps of a kind that are shown; the run's page shows all. */
const STEPS_SHOWN = 6;
/** Under way, at rest with their run, or left so by one that ended or was lost. */
const GOING = new Set(["running", "retrying", "paused", "unknown", "lost"]);

/**
 * @param {object} props
 * @param {string} props.id
 * @param {any} props.row
 * @param {(run: string, pixels: number) => void} props.grown
 */
export function Details({ id, row, grown }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const { shown, stop } = useMemo(() => follow({ run: row.run }), [row.run]);
  useEffect(() => stop, [shown]);
  useEffect(() => {
    const observer = new ResizeObserver(() => box.current && grown(row.run, box.current.offsetHeight));
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, [row.run, grown]);
  const state = useSettled(shown.value.state);
  const steps = Object.entries(state?.steps ?? {}).sort(([, a], [, b]) => a.index - b.index);
  const failed = steps.filter(([, step]) => step.status === "failed");
  const going = steps.filter(([, step]) => GOING.has(step.status));
  const error = state?.error ?? row.error;
  const at = `/runs/${encoded(row.run)}`;
  return html`<div ref=${box} id=${id} class="runs-details">
    <div class="runs-details-main">
      ${error && html`<section><h3>${words.error}</h3><p class="runs-error wrap" dir="auto">
        ${error.type && html`<b>${error.type}: </b>`}${error.message}</p></section>`}
      ${failed.length > 0 && html`<${Steps} title=${words.failed} steps=${failed} row=${row} at=${at} />`}
      ${going.length > 0 && html`<${Steps} title=${ENDED.has(row.status) ? words.wasUnderWay : words.underWay}
        steps=${going} row=${row} at=${at} />`}
      ${!error && !failed.length && !going.length && state && html`<p class="muted">${words.nothing}</p>`}
      <p class="runs-links"><a class="button" href=${at}>${words.open}</a><a class="button" href=${`${at}?tab=logs`}>${words.log}</a>
        <${Commands} row=${row} /></p>
    </div>
    <${Facts} row=${row} />
  </div>`;
}

/** @param {{title: string, steps: [string, any][], row: any, at: string}} props */
function Steps({ title, steps, row, at }) {
  const more = steps.length - STEPS_SHOWN;
  return html`<section><h3>${title}</h3><ul class="runs-steps">
    ${steps.slice(0, STEPS_SHOWN).map(([name, step]) => html`<li key=${name}>
      <${Status} status=${step.status} quiet=${true} /><span class="clip" dir="auto" title=${name}>${step.name ?? name}</span>
      ${step.error ? html`<span class="runs-error clip" dir="auto" title=${step.error.message}>${step.error.message ?? step.error.type}</span>`
        : html`<${StepFar} step=${step} row=${row} label=${step.name ?? name} />`}
    </li>`)}
    ${more > 0 && html`<li><a href=${at}>${words.more(more)}</a></li>`}
  </ul></section>`;
}

/** @param {{step: any, row: any, label: string}} props */
function StepFar({ step, row, label }) {
  const far = amount({ progress: step });
  const took = stepElapsed(step, row, now.value);
  return html`<${Bar} label=${label} status=${step.status} fraction=${fractionOf(step)} />
    <span class="numbers muted clip">${[far, took !== null && duration(took)].filter(Boolean).join(" · ")}</span>`;
}

/** How long the run has taken. @param {{row: any}} props */
function Took({ row }) {
  const seconds = elapsed(row, now.value);
  return html`<span class="numbers">${seconds === null ? "" : duration(seconds)}</span>`;
}

/** @param {{row: any}} props */
function Facts({ row }) {
  const labels = Object.entries(row.labels ?? {});
  const { counts = {}, parent } = row;
  /** @param {string} key @param {unknown} value */
  const found = (key, value) => `/?${new URLSearchParams({ q: term(key, value) })}`;
  return html`<dl class="runs-facts">
    <div><dt>${words.run}</dt><dd><code class="wrap">${row.run}</code></dd></div>
    ${row.pipeline && html`<div><dt>${words.pipeline}</dt><dd class="wrap"><a href=${found("pipeline", row.pipeline)}>${row.pipeline}</a></dd></div>`}
    ${parent && html`<div><dt>${words.parent}</dt><dd class="wrap"><a href=${`/runs/${encoded(parent.run)}`}>${parent.run}</a></dd></div>`}
    ${row.worker && html`<div><dt>${words.worker}</dt><dd class="wrap">${row.worker}</dd></div>`}
    ${[[words.queued, row.queued_at], [words.started, row.started_at], [words.ended, row.ended_at]].map(([word, time]) =>
      time && html`<div key=${word}><dt>${word}</dt><dd title=${full(moment(time))}>${date(moment(time))}</dd></div>`)}
    <div><dt>${words.took}</dt><dd><${Took} row=${row} /></dd></div>
    ${counts.total > 0 && html`<div><dt>${words.steps}</dt><dd>${words.counts(counts)}</dd></div>`}
    ${labels.length > 0 && html`<div><dt>${words.labels}</dt><dd class="runs-chips">
      ${labels.map(([key, value]) => html`<${LabelChip} key=${key} name=${key} value=${value} />`)}</dd></div>`}
    <div><dt class="hidden">${words.children}</dt><dd><a href=${found("parent", row.run)}>${words.children}</a></dd></div>
  </dl>`;
}
