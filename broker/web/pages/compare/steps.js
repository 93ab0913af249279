/** What two runs have in common, step by step. Pure. */

import { called } from "../../core/format.js";

/**
 * @typedef {object} Pair
 * @property {string} id
 * @property {string} name
 * @property {any} a the step in the first run; nothing where it has none
 * @property {any} b
 * @property {number | null} slower seconds that the second took longer; null where that says nothing,
 *   since one has not ended, or ended otherwise
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

/** Whether the outcomes differ. @param {Pair} pair */
export const differs = ({ a, b }) => a?.status !== b?.status;

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
