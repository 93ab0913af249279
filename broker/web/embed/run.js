/** `<progress-run run="…">`: how far one run is; with the attribute `steps`, its steps too. */

import { called, duration, moment, number, percent } from "../core/format.js";
import { Bar } from "../parts/bar.js";
import { fractionOf } from "../pages/run/fraction.js";
import { settled } from "../pages/run/settled.js";
import { elapsed, isOpen } from "../pages/run/times.js";
import { ENDED, Status } from "../parts/status.js";
import { embed } from "../text/embed.js";
import { html } from "../vendor/preact.js";
import { LiveElement } from "./element.js";

/** Steps that are drawn; of more, those under way come first. */
const MOST = 100;
/** How far this computer's clock may differ, in milliseconds, before it is corrected. */
const TOLERANCE = 2_000;

export class ProgressRun extends LiveElement {
  static observedAttributes = ["server", "run", "steps"];

  constructor() {
    super();
    /** Milliseconds that this computer's clock is ahead of the gateway's, as far as is known. */
    this._ahead = Infinity;
  }

  get request() {
    const run = this.getAttribute("run");
    return run ? { run } : null;
  }

  get ticks() {
    return this.connection?.standing === "open" && Boolean(this.state) && !ENDED.has(this.state.status);
  }

  /** @param {import("../core/wire.js").Told} told */
  told(told) {
    super.told(told);
    // A patch is told as soon as it is stored; a snapshot may be old, but is not of the future.
    const ahead = Date.now() - moment(this.state?.updated_at);
    if (told.type === "patch" || ahead < 0) this._ahead = Math.min(this._ahead, ahead);
  }

  /** Milliseconds since 1970 by the gateway's clock; it stands still while nothing can be heard. */
  get _now() {
    const { standing, since = 0 } = this.connection ?? {};
    const local = standing === "lost" || standing === "refused" ? since : Date.now();
    return Number.isFinite(this._ahead) && Math.abs(this._ahead) > TOLERANCE ? local - this._ahead : local;
  }

  drawn() {
    if (!this.request) return html`<p class="away">${embed.noRun}</p>`;
    if (!this.state) return this.problem ? null : html`<p class="away">${embed.waiting}</p>`;
    const run = settled(this.state);
    const name = called(run.name || run.pipeline, run.run);
    return html`<div class="box" part="box">
      <div class="line"><span class="name" part="name" title=${name}>${name}</span><${Status} status=${run.status} /></div>
      <div class="line">
        <${Bar} label=${name} fraction=${run.progress?.fraction} status=${run.status} />
        <span class="numbers" part="percent">${percent(run.progress?.fraction)}</span>
      </div>
      <div class="line muted"><span class="clip" title=${run.message}>${run.message ?? counted(run.progress)}</span>
        <span class="numbers">${duration(elapsed(run, this._now))}</span></div>
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
      ${isOpen(step) && html`<${Bar} label=${called(step.name, id)} fraction=${fractionOf(step)} status=${step.status} />`}
      <span class="numbers muted">${step.duration == null ? counted(step) : duration(step.duration)}</span></li>`)}
  </ol>`;
}

/** @param {any} progress */
function counted(progress) {
  if (progress?.current == null) return "";
  const of = progress.total == null ? "" : ` / ${number(progress.total)}`;
  return `${number(progress.current)}${of}${progress.unit ? ` ${progress.unit}` : ""}`;
}
