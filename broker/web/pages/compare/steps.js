/** What two runs have in common, step by step. Pure. */

import { called } from "../../core/format.js";
import { elapsed, stepTook } from "../run/times.js";

/**
 * @typedef {object} Pair
 * @property {string} id
 * @property {string} name
 * @property {any} a the step in the first run; nothing where it has none
 * @property {any} b
 * @property {number | null} slower seconds that the second took longer; null where that says nothing,
 *   since one has not ended, or ended otherwise
 */
/**
 * @typedef {object} Far how far one side of a pair is
 * @property {"waiting" | "ahead" | "going" | "rest" | "open" | "ended"} standing `waiting`: it has
 *   not begun; `ahead`: it begins later than now, by a clock that is ahead; `rest`: it is paused;
 *   `open`: nobody knows how it ended
 * @property {number | undefined} seconds that it has taken so far; nothing where that is not known
 */
/** @typedef {"plan" | "slower" | "status"} Order */

/**
 * The steps of both runs, each once, in the order that is asked for.
 *
 * @param {any} a state of the first run
 * @param {any} b
 * @param {Order} order
 * @returns {Pair[]}
 */
export function paired(a, b, order) {
  const [first, second] = [a?.steps ?? {}, b?.steps ?? {}];
  const ids = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  const pairs = ids.map((id) => pair(id, own(first, id), own(second, id)));
  const place = (/** @type {Pair} */ { a, b }) => (a ?? b).index ?? 0;
  pairs.sort((x, y) => place(x) - place(y));
  if (order === "slower") pairs.sort((x, y) => Math.abs(y.slower ?? 0) - Math.abs(x.slower ?? 0));
  if (order === "status") pairs.sort((x, y) => Number(differs(y)) - Number(differs(x)));
  return pairs;
}

/**
 * Seconds that one took longer than the other; null where that says nothing.
 *
 * @param {any} a
 * @param {any} b
 */
export function longer(a, b) {
  const comparable = a?.duration != null && b?.duration != null && a.status === b.status;
  return comparable ? b.duration - a.duration : null;
}

/** Of a status that is not here, a step or run has ended. @type {Record<string, Far["standing"]>} */
const STANDINGS = {
  queued: "waiting", pending: "waiting", running: "going", retrying: "going", paused: "rest", lost: "open", unknown: "open",
};

/**
 * How long a step, or a whole run, has taken by now.
 *
 * @param {any} one
 * @param {any} state of its run; `one` itself where that is meant
 * @param {number} now milliseconds
 * @returns {Far}
 */
export function farOf(one, state, now) {
  const standing = STANDINGS[one.status] ?? "ended";
  const begun = one.duration !== undefined || one.started_at !== undefined;
  if (standing === "waiting" || !begun) return { standing, seconds: undefined };
  const seconds = one === state ? elapsed(one, now) : stepTook(one, state, now);
  return { standing: seconds === undefined ? "ahead" : standing, seconds };
}

/**
 * Seconds that the second has already taken longer than the first, or less than it, while one of
 * them still goes on and the other has come to its end; null where that says nothing yet.
 *
 * @param {Far} a
 * @param {Far} b
 */
export function already(a, b) {
  const more = (b.seconds ?? NaN) - (a.seconds ?? NaN);
  const sure = more > 0 ? GOES_ON.has(b.standing) && a.standing === "ended" : GOES_ON.has(a.standing) && b.standing === "ended";
  return sure && more ? more : null;
}

const GOES_ON = new Set(["going", "rest"]);

/** Whether the outcomes differ; what still goes on has none. @param {Pair} pair */
export const differs = ({ a, b }) => !a || !b || (a.status !== b.status && hasOutcome(a) && hasOutcome(b));

/** @param {any} one */
const hasOutcome = ({ status }) => ["ended", "open"].includes(STANDINGS[status] ?? "ended");

/**
 * Labels and plain metadata of which the values differ.
 *
 * @param {any} a
 * @param {any} b
 * @returns {{name: string, a: string, b: string}[]}
 */
export function marks(a, b) {
  const [first, second] = [said(a), said(b)];
  const names = [...new Set([...first.keys(), ...second.keys()])].sort();
  return names
    .filter((name) => first.get(name) !== second.get(name))
    .map((name) => ({ name, a: first.get(name) ?? "", b: second.get(name) ?? "" }));
}

/**
 * @param {string} id
 * @param {any} a
 * @param {any} b
 * @returns {Pair}
 */
function pair(id, a, b) {
  return { id, name: called(a?.name || b?.name, id), a, b, slower: longer(a, b) };
}

/** @param {any} state */
function said(state) {
  const all = [...Object.entries(state?.labels ?? {}), ...Object.entries(state?.metadata ?? {})];
  return new Map(all.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));
}

/**
 * @param {any} object
 * @param {string} name
 */
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);
