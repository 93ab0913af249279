/** How the last runs of a pipeline went: small bars, tall by duration, of a shape by outcome. */

import { computed, html } from "../../vendor/preact.js";
import { local } from "../../core/clock.js";
import { duration, number } from "../../core/format.js";
import { wordFor } from "../../parts/status.js";
import { list } from "../../text/list.js";
import { FRESH, recent } from "./pipelines.js";

const words = list.recent;

/** Bars, and what each takes, in pixels. */
const SHOWN = 10;
const WIDTH = 8;
const HEIGHT = 24;
/** In the order in which they are drawn and told. */
const OUTCOMES = ["completed", "failed", "cancelled", "running", "queued", "paused", "lost"];

/** Changes whenever what is known may be old. */
const look = computed(() => Math.floor(local.value / FRESH));

/** @param {{pipeline: string}} props */
export function Recent({ pipeline }) {
  const runs = recent(pipeline, look.value).value;
  if (!runs.length) return null;
  const longest = Math.max(...runs.map((run) => run.duration ?? 0), 1e-9);
  const said = saying(pipeline, runs);
  return html`<svg class="spark" role="img" aria-label=${said} viewBox=${`0 0 ${SHOWN * WIDTH} ${HEIGHT}`}>
    <title>${said}</title>
    ${OUTCOMES.map((status) => {
      const bars = runs.map((run, index) =>
        run.status === status ? shape(run, SHOWN - runs.length + index, longest) : "").join("");
      return bars && html`<path key=${status} data-status=${status} d=${bars} />`;
    })}
  </svg>`;
}

/**
 * A bar: full where the run completed, with a cross above where it failed, hollow where it was
 * cancelled; a dot where it has not ended.
 *
 * @param {import("./pipelines.js").Last} run
 * @param {number} index
 * @param {number} longest seconds
 */
function shape({ status, duration: took = 0 }, index, longest) {
  const x = index * WIDTH + 1;
  if (OUTCOMES.indexOf(status) > 2) return `M${x + 1} ${HEIGHT}a2 2 0 1 1 4 0a2 2 0 1 1 -4 0z`;
  const room = status === "failed" ? HEIGHT - 6 : HEIGHT;
  const tall = Math.max(3, (took / longest) * room);
  const top = HEIGHT - tall;
  if (status === "cancelled") return `M${x + 0.75} ${HEIGHT - 0.75}V${top + 0.75}h4.5V${HEIGHT - 0.75}z`;
  const box = `M${x} ${HEIGHT}V${top}h6V${HEIGHT}z`;
  return status === "failed" ? `${box}M${x} ${top - 5}l6 4M${x + 6} ${top - 5}l-6 4` : box;
}

/**
 * @param {string} pipeline
 * @param {import("./pipelines.js").Last[]} runs
 */
function saying(pipeline, runs) {
  const outcomes = OUTCOMES.map((status) => ({ status, n: runs.filter((run) => run.status === status).length }))
    .filter(({ n }) => n).map(({ n, status }) => `${number(n)} ${wordFor(status).toLowerCase()}`);
  const took = runs.flatMap((run) => (run.duration == null ? [] : [run.duration])).sort((a, b) => a - b);
  const range = took.length ? words.range(duration(took[0]), duration(took[took.length - 1])) : "";
  return words.said(pipeline, outcomes.join(", "), range);
}
