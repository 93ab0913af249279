/** `<progress-log run="…" tail="200">`: the end of a run's log, live; `level` and `step` choose. */

import { css, pieces } from "../core/ansi.js";
import { embed } from "../text/embed.js";
import { html } from "../vendor/preact.js";
import { LiveElement } from "./element.js";

const TAIL = 200;
const MOST = 2_000;

export class ProgressLog extends LiveElement {
  static observedAttributes = ["server", "run", "tail", "level", "step"];

  get request() {
    const run = this.getAttribute("run");
    if (!run) return null;
    const tail = Math.max(0, Math.min(MOST, Number(this.getAttribute("tail") ?? TAIL) || 0));
    const level = this.getAttribute("level") ?? undefined;
    return { run, view: "logs", tail, level, step: this.getAttribute("step") ?? undefined };
  }

  /** @param {import("../core/wire.js").Told} told */
  told(told) {
    if (told.type === "hello" && !told.data?.resumed) this.state = [];
    else if (told.type === "log") {
      this.state ??= [];
      this.state.push(told.data);
      if (this.state.length > MOST * 1.2) this.state = this.state.slice(-MOST);
    }
  }

  drawn() {
    if (!this.request) return html`<p class="away">${embed.noRun}</p>`;
    if (!this.state?.length) return this.problem ? null : html`<p class="away">${embed.noLines}</p>`;
    const box = this.shadowRoot?.querySelector(".log");
    const atEnd = !box || box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
    if (atEnd)
      requestAnimationFrame(() => {
        const drawn = this.shadowRoot?.querySelector(".log");
        if (drawn) drawn.scrollTop = drawn.scrollHeight;
      });
    return html`<div class="box"><div class="log" part="log" role="log" aria-live="off" aria-label=${embed.log} tabindex="0">
      ${this.state.map((/** @type {any} */ line) => html`<div key=${`${line.cursor}.${line.place}`} data-level=${line.level}>
        ${pieces(line.text).map(({ text, look }) => look.color && !look.inverse
          ? html`<span style=${{ color: css(look.color) }}>${text}</span>` : text)}</div>`)}
    </div></div>`;
  }
}
