/** `<progress-run run="…">`: how far one run is; with the attribute `steps`, its steps too. */

import { called, duration, moment, number, percent } from "../core/format.js";
import { Bar } from "../parts/bar.js";
import { ENDED, Status } from "../parts/status.js";
import { embed } from "../text/embed.js";
import { html } from "../vendor/preact.js";
import { LiveElement } from "./element.js";

/** Steps that are drawn; of more, those under way come first. */
const MOST = 100;

export class ProgressRun extends LiveElement {
  static observedAttributes = ["server", "run", "steps"];

  get request() {
    const run = this.getAttribute("run");
    return run ? { run } : null;
  }

  drawn() {
    if (!this.request) return html`<p class="away">${embed.noRun}</p>`;
    const run = this.state;
    if (!run) return this.problem ? null : html`<p class="away">${embed.waiting}</p>`;
    const name = called(run.name || run.pipeline, run.run);
    return html`<div class="box" part="box">
      <div class="line"><span class="name" part="name" title=${name}>${name}</span><${Status} status=${run.status} /></div>
      <div class="line">
        <${Bar} label=${name} fraction=${run.progress?.fraction} status=${run.status} />
        <span class="numbers" part="percent">${percent(run.progress?.fraction)}</span>
      </div>
      <div class="line muted"><span class="clip" title=${run.message}>${run.message ?? counted(run.progress)}</span>
        <span class="numbers">${ENDED.has(run.status) ? duration(run.duration) : passed(run)}</span></div>
      ${run.error && html`<p class="error" part="error">${run.error.type && `${run.error.type}: `}${run.error.message}</p>`}
      ${this.hasAttribute("steps") && html`<${Steps} steps=${run.steps} />`}
    </div>`;
  }
}

/** @param {{steps: Record<string, any>}} props */
function Steps({ steps }) {
  const all = Object.entries(steps ?? {}).sort(([, a], [, b]) => (a.index ?? 0) - (b.index ?? 0));
  const live = all.filter(([, step]) => step.status !== "pending" && step.status !== "completed");
  const shown = all.length > MOST ? [...live, ...all.filter((one) => !live.includes(one))].slice(0, MOST) : all;
  return html`<ol class="steps" part="steps" aria-label=${embed.steps} tabindex="0">
    ${shown.map(([id, step]) => html`<li key=${id} class="line" part="step">
      <${Status} status=${step.status} quiet /><span class="name" title=${called(step.name, id)}>${called(step.name, id)}</span>
      ${step.status === "running" && html`<${Bar} label=${called(step.name, id)} fraction=${share(step)} status="running" />`}
      <span class="numbers muted">${step.duration == null ? counted(step) : duration(step.duration)}</span></li>`)}
  </ol>`;
}

/** @param {any} step */
function share({ current, total }) {
  return total > 0 ? Math.min(1, (current ?? 0) / total) : null;
}

/** @param {any} progress */
function counted(progress) {
  if (progress?.current == null) return "";
  const of = progress.total == null ? "" : ` / ${number(progress.total)}`;
  return `${number(progress.current)}${of}${progress.unit ? ` ${progress.unit}` : ""}`;
}

/** @param {any} run */
function passed({ started_at: since }) {
  return since ? duration((Date.now() - moment(since)) / 1000) : "";
}
