/** The last runs of the pipelines in sight, asked for many at a time. */

import { signal } from "../../vendor/preact.js";
import { get } from "../../core/api.js";

/** Milliseconds for which what was heard of a pipeline is taken as true. */
export const FRESH = 20_000;
/** Milliseconds between two requests, at least: the gateway allows one a second. */
const PAUSE = 2_000;
/** Pipelines that one request may name, and that are remembered. */
const AT_ONCE = 50;
const KEPT = 500;
/** Milliseconds in which rows that come into sight together are collected. */
const COLLECTED = 50;

/** @typedef {{run: string, status: string, duration?: number}} Last */

class Pipeline {
  constructor() {
    /** The oldest first. @type {import("../../vendor/preact.js").Signal<Last[]>} */
    this.runs = signal([]);
    this.askedAt = -1;
  }
}

/** @type {Map<string, Pipeline>} */
const known = new Map();
/** @type {Set<string>} */
const wanted = new Set();
let timer = 0;
let earliest = 0;

/**
 * A pipeline's last runs; they are asked for where what is known is old.
 *
 * @param {string} name
 * @param {number} at a number that grows every FRESH milliseconds
 */
export function recent(name, at) {
  let found = known.get(name);
  if (!found) {
    found = new Pipeline();
    known.set(name, found);
    if (known.size > KEPT) known.delete(/** @type {string} */ (known.keys().next().value));
  }
  if (at !== found.askedAt) {
    found.askedAt = at;
    wanted.add(name);
    timer ||= window.setTimeout(ask, Math.max(COLLECTED, earliest - performance.now()));
  }
  return found.runs;
}

async function ask() {
  const names = [...wanted].slice(0, AT_ONCE);
  for (const name of names) wanted.delete(name);
  earliest = performance.now() + PAUSE;
  try {
    const { items } = await get(`/v1/pipelines?${new URLSearchParams(names.map((name) => ["name", name]))}`);
    for (const { pipeline, recent } of items) {
      const found = known.get(pipeline);
      if (found) found.runs.value = recent.reverse();
    }
  } catch {
    // The bars are an ornament: the row says all without them, and they are asked for again.
  }
  timer = wanted.size ? window.setTimeout(ask, PAUSE) : 0;
}
