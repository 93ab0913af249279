/** How the last runs of a pipeline went: small bars, tall by duration, of a shape by outcome. */

import { computed, html, signal } from "../../vendor/preact.js";
import { encoded, get } from "../../core/api.js";
import { local } from "../../core/clock.js";
import { duration, number } from "../../core/format.js";
import { wordFor } from "../../parts/status.js";
import { list } from "../../text/list.js";

const words = list.recent;

const SHOWN = 10;
const WIDTH = 8;
const HEIGHT = 24;
/** Milliseconds for which what was heard of a pipeline is taken as true. */
const FRESH = 20_000;
/** Pipelines that are asked for at a time, and remembered. */
const AT_ONCE = 3;
const KEPT = 500;

/** Changes whenever what is known may be old. */
const look = computed(() => Math.floor(local.value / FRESH));

/** @typedef {{run: string, status: string, duration?: number}} Ended */

class Pipeline {
  constructor() {
    /** The oldest first. @type {import("../../vendor/preact.js").Signal<Ended[]>} */
    this.runs = signal([]);
    this.askedAt = -1;
  }
}

/** @type {Map<string, Pipeline>} */
const known = new Map();
/** @type {string[]} */
const wanted = [];
let asking = 0;

/** @param {{pipeline: string}} props */
export function Recent({ pipeline }) {
  const runs = recent(pipeline, look.value).value;
  if (!runs.length) return null;
  const longest = Math.max(...runs.map((run) => run.duration ?? 0), 1e-9);
  const said = saying(pipeline, runs);
  return html`<svg class="spark" role="img" aria-label=${said} viewBox=${`0 0 ${SHOWN * WIDTH} ${HEIGHT}`}>
    <title>${said}</title>
    ${["completed", "failed", "cancelled"].map((status) => html`<path key=${status} data-status=${status}
      d=${runs.map((run, index) => run.status === status ? shape(run, SHOWN - runs.length + index, longest) : "").join("")} />`)}
  </svg>`;
}

/**
 * The pipeline's last runs, asked for where what is known is old.
 *
 * @param {string} name
 * @param {number} at now, by `look`
 */
function recent(name, at) {
  let found = known.get(name);
  if (!found) {
    found = new Pipeline();
    known.set(name, found);
    if (known.size > KEPT) known.delete(/** @type {string} */ (known.keys().next().value));
  }
  if (at !== found.askedAt) {
    found.askedAt = at;
    wanted.push(name);
    askNext();
  }
  return found.runs;
}

async function askNext() {
  const name = asking < AT_ONCE ? wanted.shift() : undefined;
  if (name === undefined) return;
  asking += 1;
  try {
    const { last } = await get(`/v1/pipelines/${encoded(name)}`);
    const found = known.get(name);
    if (found) found.runs.value = last.slice(0, SHOWN).reverse();
  } catch {
    // The bars are an ornament: without them the row says all the same, and the next look asks again.
  }
  asking -= 1;
  askNext();
}

/**
 * A bar: full where the run completed, with a gap and a dot above where it failed, hollow where it
 * was cancelled.
 *
 * @param {Ended} run
 * @param {number} index
 * @param {number} longest seconds
 */
function shape({ status, duration: took = 0 }, index, longest) {
  const room = status === "failed" ? HEIGHT - 6 : HEIGHT;
  const tall = Math.max(3, (took / longest) * room);
  const x = index * WIDTH + 1;
  const top = HEIGHT - tall;
  const box = `M${x} ${HEIGHT}V${top}h6V${HEIGHT}z`;
  if (status === "failed") return `${box}M${x} ${top - 5}l6 4M${x + 6} ${top - 5}l-6 4`;
  if (status === "cancelled") return `M${x + 0.75} ${HEIGHT - 0.75}V${top + 0.75}h4.5V${HEIGHT - 0.75}z`;
  return box;
}

/**
 * @param {string} pipeline
 * @param {Ended[]} runs
 */
function saying(pipeline, runs) {
  const outcomes = ["completed", "failed", "cancelled"]
    .map((status) => [runs.filter((run) => run.status === status).length, status])
    .filter(([n]) => n).map(([n, status]) => `${number(Number(n))} ${wordFor(String(status)).toLowerCase()}`);
  const took = runs.map((run) => run.duration).filter((seconds) => seconds != null).sort((a, b) => a - b);
  const range = took.length ? words.range(duration(took[0]), duration(took[took.length - 1])) : "";
  return words.said(pipeline, outcomes.join(", "), range);
}
