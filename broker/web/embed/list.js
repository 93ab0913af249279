/** `<progress-list query="status=running" limit="10">`: a list of runs, as `GET /v1/runs` filters it. */

import { called, percent } from "../core/format.js";
import { Bar } from "../parts/bar.js";
import { Status } from "../parts/status.js";
import { embed } from "../text/embed.js";
import { html } from "../vendor/preact.js";
import { LiveElement } from "./element.js";

const LIMIT = 10;
const MOST = 100;

export class ProgressList extends LiveElement {
  static observedAttributes = ["server", "query", "limit"];

  get request() {
    const query = new URLSearchParams(this.getAttribute("query") ?? "");
    const limit = Number(this.getAttribute("limit")) || LIMIT;
    query.set("limit", String(Math.max(1, Math.min(MOST, Math.floor(limit)))));
    return { list: query.toString() };
  }

  drawn() {
    if (!this.state) return this.problem ? null : html`<p class="away">${embed.waiting}</p>`;
    const { order, rows } = this.state;
    if (!order.length) return html`<p class="away">${embed.nothing}</p>`;
    return html`<ul class="box rows" part="box" aria-label=${embed.runs}>${order.map((/** @type {string} */ id) => {
      const run = rows[id];
      const name = called(run.name || run.pipeline, id);
      return html`<li key=${id} part="row"><div class="line">
          <a class="name" href=${`${this.server}/runs/${encodeURIComponent(id)}`} title=${name}>${name}</a>
          <${Status} status=${run.status} /></div>
        <div class="line"><${Bar} label=${name} fraction=${run.progress?.fraction} status=${run.status} />
          <span class="numbers">${percent(run.progress?.fraction)}</span></div></li>`;
    })}</ul>`;
  }
}
