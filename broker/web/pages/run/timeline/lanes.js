/** The lanes of the timeline, and what of a lane was when. Pure; times in milliseconds. */

import { moment } from "../../../core/format.js";
import { matches } from "../steps/rows.js";
import { isOpen, runsUntil, worksUntil } from "../times.js";

/** @typedef {"all" | "begun" | "active" | "failed"} Show */
/** @typedef {{kind: "run" | "step", key: string, id: string, step: any, depth: number, open: boolean | undefined}} Lane */
/**
 * @typedef {object} Segment a time in which a lane was the same
 * @property {number} from
 * @property {number} to
 * @property {"waiting" | "try" | "work" | "paused"} kind `try`: an attempt of a step that failed and was repeated
 * @property {number} [number] of the attempt, where a step has several
 * @property {boolean} [rests] a pause of a step that is not over, and does not count yet
 */

/** A share of the time. */
const ROOM = 0.05;

/** @type {Record<Show, (step: any) => boolean>} */
const SHOWN = {
  all: () => true,
  begun: (step) => step.status !== "pending",
  active: isOpen,
  failed: (step) => step.status === "failed" || step.status === "retrying" || step.attempt > 1,
};

/**
 * The run's own lane, then those of its steps, parts below what they are parts of.
 *
 * @param {any} state
 * @param {import("../family.js").Family} family
 * @param {{words: string, show: Show, folded: ReadonlySet<string>, title: string}} how
 * @returns {Lane[]}
 */
export function lanesOf(state, family, { words, show, folded, title }) {
  const { steps } = state;
  const found = matches(steps, family, words);
  /** @type {Lane[]} */
  const lanes = [{ kind: "run", key: "run", id: title, step: state, depth: 0, open: undefined }];
  /** @type {{id: string, depth: number}[]} */
  const stack = [...family.roots].reverse().map((id) => ({ id, depth: 0 }));
  while (stack.length) {
    const { id, depth } = /** @type {{id: string, depth: number}} */ (stack.pop());
    if (found && !found.has(id)) continue;
    const parts = family.children.get(id);
    const open = parts && !folded.has(id);
    if (parts || SHOWN[show](steps[id])) lanes.push({ kind: "step", key: `step ${id}`, id, step: steps[id], depth, open });
    if (open) for (let at = parts.length - 1; at >= 0; at--) stack.push({ id: parts[at], depth: depth + 1 });
  }
  return lanes;
}

/**
 * What of each lane was when. What is the same for all of them is worked out once.
 *
 * @param {any} state
 * @param {number} end to when the timeline goes
 * @param {import("./reader.js").Told | undefined} told what the events tell beside the state
 * @returns {(lane: Lane) => Segment[]}
 */
export function segmentsBy(state, end, told) {
  const pauses = pausesOf(state, runsUntil(state, end), told?.pauses ?? []);
  return (lane) => lane.kind === "run" ? ofRun(state, end, pauses) : ofStep(lane.step, state, end, pauses, told?.tries.get(lane.id));
}

/**
 * The pauses of a run in order, none within another, the present one last; of a past moment, those
 * that had begun by then.
 *
 * @param {any} state
 * @param {number} until
 * @param {import("./reader.js").Span[]} over
 */
function pausesOf(state, until, over) {
  const since = state.paused ? moment(state.paused.since) : until;
  const last = Math.min(since, until);
  /** @type {import("./reader.js").Span[]} */
  const pauses = [];
  for (const pause of over.toSorted((a, b) => a.from - b.from)) {
    if (pause.from >= last) break;
    const before = pauses.at(-1);
    const to = Math.min(pause.to, last);
    if (before && pause.from < before.to) before.to = Math.max(before.to, to);
    else pauses.push({ from: pause.from, to });
  }
  if (since < until) pauses.push({ from: since, to: until });
  return pauses;
}

/** @param {any} state @param {number} end @param {import("./reader.js").Span[]} pauses @returns {Segment[]} */
function ofRun(state, end, pauses) {
  const queued = moment(state.queued_at);
  const started = moment(state.started_at);
  const until = runsUntil(state, end);
  /** @type {Segment[]} */
  const segments = [];
  if (queued < (started || until)) segments.push({ from: queued, to: started || until, kind: "waiting" });
  if (Number.isNaN(started)) return segments;
  return [...segments, ...parted({ from: started, to: Math.max(started, until), kind: "work" }, pauses)];
}

/**
 * A time of work without the pauses in it, which stand between its parts.
 *
 * @param {Segment} segment
 * @param {import("./reader.js").Span[]} pauses
 * @returns {Segment[]}
 */
function parted(segment, pauses) {
  /** @type {Segment[]} */
  const parts = [];
  let { from } = segment;
  for (let at = firstAfter(pauses, from); at < pauses.length && pauses[at].from < segment.to; at++) {
    const [begun, over] = [Math.max(pauses[at].from, from), Math.min(pauses[at].to, segment.to)];
    if (over <= begun) continue;
    if (begun > from) parts.push({ ...segment, from, to: begun });
    parts.push({ from: begun, to: over, kind: "paused" });
    from = over;
  }
  if (from < segment.to || !parts.length) parts.push({ ...segment, from });
  return parts;
}

/**
 * Which of the pauses is the first to end after a moment: with a thousand of them, ten thousand
 * lanes have no time to look at each.
 *
 * @param {import("./reader.js").Span[]} pauses
 * @param {number} time
 */
function firstAfter(pauses, time) {
  let [low, high] = [0, pauses.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pauses[middle].to > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * @param {any} step
 * @param {any} state
 * @param {number} end
 * @param {import("./reader.js").Span[]} pauses of the run
 * @param {import("./reader.js").Tries | undefined} tries
 * @returns {Segment[]}
 */
function ofStep(step, state, end, pauses, tries) {
  const started = moment(step.started_at);
  const until = step.ended_at ? moment(step.ended_at) : worksUntil(state, end);
  const ready = readyAt(step, state);
  /** @type {Segment[]} */
  const segments = [];
  const begun = Number.isNaN(started) ? (step.status === "pending" ? until : NaN) : started;
  if (ready < begun) segments.push({ from: ready, to: begun, kind: "waiting" });
  if (Number.isNaN(started)) return segments;
  // Of a past moment, the attempts that came later were not yet.
  const earlier = (tries?.earlier ?? []).slice(0, (step.attempt ?? 1) - 1);
  let free = started;
  for (const [at, { from, to }] of earlier.entries()) {
    if (from > free) segments.push({ from: free, to: from, kind: "waiting" });
    segments.push(...parted({ from, to: Math.max(from, to), kind: "try", number: at + 1 }, pauses));
    free = Math.max(free, to);
  }
  const last = !earlier.length ? started : step.status === "retrying" ? undefined : tries?.earlier[earlier.length]?.from ?? tries?.begun;
  if (last === undefined) segments.push({ from: free, to: Math.max(free, until), kind: "waiting" });
  else {
    if (last > free && earlier.length) segments.push({ from: free, to: last, kind: "waiting" });
    const work = { from: last, to: Math.max(last, until), number: step.attempt > 1 ? step.attempt : undefined };
    segments.push(...parted({ ...work, kind: "work" }, pauses));
  }
  const rest = step.ended_at || step.status !== "paused" ? undefined : pauses.at(-1);
  if (rest) segments.push({ from: Math.max(rest.from, started), to: Math.max(rest.to, started), kind: "paused", rests: true });
  return segments;
}

/**
 * When a step could have begun: all that it waits for had ended. NaN where that is not so, or
 * nobody knows, because the step says of no other that it waits for it.
 *
 * @param {any} step
 * @param {any} state
 */
function readyAt(step, state) {
  if (!step.after?.length) return NaN;
  let ready = 0;
  for (const id of step.after) {
    if (!Object.hasOwn(state.steps, id)) continue;
    ready = Math.max(ready, moment(state.steps[id].ended_at));
  }
  return ready;
}

/** What was parsed of steps before; one that has changed is another object. @type {WeakMap<object, {from: number, to: number}>} */
const spans = new WeakMap();

/** @param {any} step */
function spanOf(step) {
  let span = spans.get(step);
  if (!span) spans.set(step, (span = { from: moment(step.started_at), to: moment(step.ended_at) }));
  return span;
}

/**
 * From when to when the timeline goes.
 *
 * @param {any} state
 * @param {number} now
 * @returns {{start: number, end: number}} `start` is NaN while nothing has begun
 */
export function extentOf(state, now) {
  let start = Math.min(...[state.queued_at, state.started_at].map(moment).filter(Number.isFinite));
  let end = runsUntil(state, now);
  let begun = moment(state.started_at) || 0;
  for (const id in state.steps) {
    const { from, to } = spanOf(state.steps[id]);
    if (from < start) start = from;
    if (from > begun) begun = from;
    if (to > end) end = to;
  }
  // By a clock that is ahead, something has begun after now: there has to be room to draw it.
  if (begun >= end) end = begun + (begun - start) * ROOM;
  return { start: Number.isFinite(start) ? start : NaN, end: Math.max(end, start + 1) };
}
