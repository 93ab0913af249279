/** How far the run is as a whole. */

import { html } from "../../vendor/preact.js";
import { number, percent } from "../../core/format.js";
import { Fill } from "../../parts/bar.js";
import { wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";

/** What a stacked bar shows, from the left; what is pending is its empty rest. */
const STACK = ["completed", "skipped", "failed", "cancelled"];
/** Steps that rest, or that their run ended without, or lost: what they had done is in the bar. */
const OPEN = ["unknown", "lost", "paused"];
const MILLION = 1_000_000;

/** @param {{state: any}} props */
export function Overall({ state }) {
  const { progress, counts, status } = state;
  const { fraction } = progress;
  const measured = amounts(state);
  const known = fraction != null;
  const stacked = counts.total > 0 && progress.total == null && known;
  return html`<section class="overall">
    <div class="overall-line">
      <strong class="overall-percent numbers">${known ? percent(fraction) : "?"}</strong>
      ${measured && html`<span class="numbers">${measured}</span>`}
      ${!known && !state.ended_at && html`<span class="muted">${text.overall.unknown}</span>`}
      <${Legend} counts=${counts} />
    </div>
    <div class="bar overall-bar" role="progressbar" aria-label=${text.overall.label} data-status=${status}
      data-unknown=${known ? undefined : ""} data-stacked=${stacked ? "" : undefined} aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${known ? Math.floor(fraction * 100 + 1e-9) : undefined}
      aria-valuetext=${[known ? percent(fraction) : text.overall.unknown, measured, wordFor(status)].filter(Boolean).join(", ")}
    >${stacked ? html`<${Stack} state=${state} />` : html`<${Fill} share=${fraction ?? 0} />`}</div>
  </section>`;
}

/** @param {{counts: Record<string, number>}} props */
function Legend({ counts }) {
  const there = [...STACK, "running", ...OPEN, "pending"].filter((status) => counts[status] > 0);
  if (!there.length) return null;
  return html`<ul class="legend">
    ${there.map((status) => html`<li key=${status} data-status=${status}><i aria-hidden="true" />
      <span class="numbers">${number(counts[status])}</span> ${wordFor(status).toLowerCase()}</li>`)}
  </ul>`;
}

/**
 * The steps by status. Of those that run, what they have done is full and the rest is pale.
 *
 * @param {{state: any}} props
 */
function Stack({ state }) {
  const { counts, steps } = state;
  const whole = Math.max(state.total_steps ?? 0, counts.total);
  const open = OPEN.find((status) => counts[status] > 0);
  let done = 0;
  if (counts.running || open)
    for (const id in steps) {
      const { status, ppm } = steps[id];
      if (status === "running" || status === "retrying" || status === open) done += (ppm ?? 0) / MILLION;
    }
  const parts = STACK.map((status) => ({ key: status, status, share: counts[status] / whole }));
  parts.push({ key: "running", status: open ?? "running", share: done / whole });
  if (!open) parts.push({ key: "begun", status: "running", share: (counts.running - done) / whole });
  return parts.filter(({ share }) => share > 0).map(({ key, status, share }) => html`<i
    key=${key} class=${key === "begun" ? "pale" : undefined} data-status=${status} style=${{ width: `${share * 100}%` }} />`);
}

/**
 * `320 of 1,000 rows`; of steps where the run has no measure of its own; nothing where neither is.
 *
 * @param {any} state
 */
function amounts({ progress, counts, total_steps: announced, ended_at: ended }) {
  const { current, total, unit, fraction, total_final: final } = progress;
  if (current != null) {
    const measure = unit ? ` ${unit}` : "";
    if (total == null) return `${number(current)}${measure}`;
    return (final === false ? text.overall.atLeast : text.overall.of)(number(current), `${number(total)}${measure}`);
  }
  if (!counts.total) return "";
  const whole = Math.max(announced ?? 0, counts.total);
  const open = fraction == null && !ended;
  return (open ? text.overall.atLeast : text.overall.of)(number(counts.completed + counts.skipped), text.overall.steps(number(whole), whole));
}
