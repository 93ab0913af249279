/** The steps of a run in their order, and which are parts of which. */

import { useRef } from "../../vendor/preact.js";

/**
 * @typedef {object} Family
 * @property {string[]} ids all steps, by their index
 * @property {Map<string, number>} place where each stands in `ids`
 * @property {string[]} roots steps that are part of no other
 * @property {Map<string, string[]>} children
 * @property {boolean} tied whether any step waits for another
 */

/** @type {WeakMap<object, Family>} */
const known = new WeakMap();

/**
 * The family of the steps, made anew only when a step came, moved or found a parent: that is
 * seldom, while how far they are changes ten times a second.
 *
 * @param {Record<string, any>} steps
 * @returns {Family}
 */
export function useFamily(steps) {
  const kept = useRef(/** @type {{steps: Record<string, any>, family: Family} | null} */ (null));
  const before = kept.current;
  const family = known.get(steps) ?? (before && sameFamily(before, steps) ? before.family : familyOf(steps));
  known.set(steps, family);
  kept.current = { steps, family };
  return family;
}

/** @param {{steps: Record<string, any>, family: Family}} before @param {Record<string, any>} steps */
function sameFamily({ steps: before, family }, steps) {
  let count = 0;
  for (const name in steps) {
    count++;
    if (!family.place.has(name)) return false;
    const was = before[name];
    const is = steps[name];
    if (was !== is && (was.index !== is.index || was.parent !== is.parent || was.after !== is.after)) return false;
  }
  return count === family.ids.length;
}

/** @param {Record<string, any>} steps */
export function familyOf(steps) {
  const ids = Object.keys(steps).sort((a, b) => steps[a].index - steps[b].index);
  const place = new Map(ids.map((id, at) => [id, at]));
  const parents = parentsOf(ids, steps);
  /** @type {Map<string, string[]>} */
  const children = new Map();
  const roots = [];
  for (const id of ids) {
    const parent = parents.get(id);
    if (parent === undefined) roots.push(id);
    else if (children.has(parent)) children.get(parent)?.push(id);
    else children.set(parent, [id]);
  }
  return { ids, place, roots, children, tied: ids.some((id) => steps[id].after?.length > 0) };
}

/**
 * The parent of each step that has one. Producers can say that two steps are parts of each other:
 * the first of a ring is then part of none.
 *
 * @param {string[]} ids
 * @param {Record<string, any>} steps
 */
function parentsOf(ids, steps) {
  /** @type {Map<string, string>} */
  const parents = new Map();
  const sound = new Set();
  for (const first of ids) {
    /** @type {Set<string>} */
    const path = new Set();
    let id = first;
    while (!sound.has(id)) {
      path.add(id);
      const parent = steps[id].parent;
      if (parent === undefined || !Object.hasOwn(steps, parent)) break;
      if (path.has(parent)) break;
      parents.set(id, parent);
      id = parent;
    }
    for (const passed of path) sound.add(passed);
  }
  return parents;
}
