/** Which rows the list of steps has: sections by status, and in each the steps with their parts. */

import { nameOf } from "../times.js";

/** @typedef {"failed" | "running" | "paused" | "open" | "pending" | "done" | "groups"} Section */
/**
 * @typedef {{kind: "section", key: string, section: Section, count: number, open: boolean}} SectionRow
 * @typedef {{kind: "step", key: string, id: string, step: any, depth: number, open: boolean | undefined,
 *   below: Below | undefined}} StepRow `open`: nothing where a step has no parts
 * @typedef {{kind: "group", key: string, name: string, group: any}} GroupRow
 * @typedef {SectionRow | StepRow | GroupRow} Row
 * @typedef {{total: number, done: number, failed: number, active: number}} Below what is below a step
 */

/** @type {Record<string, Section>} */
const SECTION_OF = {
  failed: "failed", running: "running", retrying: "running", paused: "paused", unknown: "open", lost: "open", pending: "pending",
  completed: "done", skipped: "done", cancelled: "done",
};
/** @type {Section[]} */
const ORDER = ["failed", "running", "paused", "open", "pending", "done"];
const OPEN_AT_FIRST = new Set(["failed", "running", "paused", "open", "groups"]);

/**
 * @param {Record<string, any>} steps
 * @param {Record<string, any>} groups
 * @param {import("../family.js").Family} family
 * @param {{words: string, opened: ReadonlyMap<string, boolean>}} how `opened`: what the person
 *   opened or folded, by the key of its row
 * @returns {{rows: Row[], found: number}}
 */
export function rowsOf(steps, groups, family, { words, opened }) {
  const wanted = matches(steps, family, words);
  const below = new Map();
  for (const root of family.roots) sumUp(root, steps, family, below);
  /** @type {Record<string, string[]>} */
  const sections = { failed: [], running: [], paused: [], open: [], pending: [], done: [] };
  for (const root of family.roots)
    if (!wanted || wanted.has(root)) sections[SECTION_OF[steps[root].status] ?? "pending"].push(root);
  const names = Object.keys(groups).filter((name) => fits(name, words));
  const only = ORDER.filter((section) => sections[section].length).length + Number(names.length > 0) === 1;

  /** @type {Row[]} */
  const rows = [];
  /** @param {Section} section @param {number} count */
  const head = (section, count) => {
    const key = `section ${section}`;
    const open = opened.get(key) ?? (only || Boolean(words) || OPEN_AT_FIRST.has(section));
    rows.push({ kind: "section", key, section, count, open });
    return open;
  };
  for (const section of ORDER) {
    const roots = sections[section];
    if (roots.length && head(section, roots.length))
      for (const root of roots) addStep(rows, root, 0, { steps, family, below, wanted, opened });
  }
  if (names.length && head("groups", names.length))
    for (const name of names) rows.push({ kind: "group", key: `group ${name}`, name, group: groups[name] });
  return { rows, found: wanted ? wanted.size : family.ids.length };
}

/**
 * @param {Row[]} rows
 * @param {string} root
 * @param {number} depth
 * @param {any} known
 */
function addStep(rows, root, depth, { steps, family, below, wanted, opened }) {
  const stack = [{ id: root, depth }];
  while (stack.length) {
    const { id, depth: deep } = /** @type {{id: string, depth: number}} */ (stack.pop());
    const parts = family.children.get(id);
    const key = `step ${id}`;
    const sum = below.get(id);
    const open = parts && (opened.get(key) ?? (Boolean(wanted) || sum.failed > 0 || sum.active > 0));
    rows.push({ kind: "step", key, id, step: steps[id], depth: depth + deep, open, below: sum });
    if (open)
      for (let at = parts.length - 1; at >= 0; at--)
        if (!wanted || wanted.has(parts[at])) stack.push({ id: parts[at], depth: deep + 1 });
  }
}

/**
 * Count what is below a step and, on the way, below all its parts.
 *
 * @param {string} root
 * @param {Record<string, any>} steps
 * @param {import("../family.js").Family} family
 * @param {Map<string, Below>} below
 */
function sumUp(root, steps, family, below) {
  if (!family.children.has(root)) return;
  /** @type {string[]} */
  const order = [root];
  for (let at = 0; at < order.length; at++)
    for (const part of family.children.get(order[at]) ?? []) if (family.children.has(part)) order.push(part);
  for (const id of order.reverse()) {
    const sum = { total: 0, done: 0, failed: 0, active: 0 };
    for (const part of family.children.get(id) ?? []) {
      const section = SECTION_OF[steps[part].status];
      const deeper = below.get(part);
      sum.total += 1 + (deeper?.total ?? 0);
      sum.done += Number(section === "done") + (deeper?.done ?? 0);
      sum.failed += Number(section === "failed") + (deeper?.failed ?? 0);
      sum.active += Number(section === "running" || section === "paused") + (deeper?.active ?? 0);
    }
    below.set(id, sum);
  }
}

/**
 * The steps that fit the filter, and those they are part of; null where nothing is asked for.
 *
 * @param {Record<string, any>} steps
 * @param {import("../family.js").Family} family
 * @param {string} words
 * @returns {Set<string> | null}
 */
export function matches(steps, family, words) {
  if (!words.trim()) return null;
  const found = new Set();
  for (const id of family.ids) if (fits(`${nameOf(id, steps[id])} ${id} ${steps[id].status}`, words)) found.add(id);
  for (const [parent, parts] of [...family.children].reverse()) if (parts.some((part) => found.has(part))) addUp(parent, steps, found);
  return found;
}

/** @param {string} id @param {Record<string, any>} steps @param {Set<string>} found */
function addUp(id, steps, found) {
  for (let at = id; at !== undefined && Object.hasOwn(steps, at) && !found.has(at); at = steps[at].parent) found.add(at);
}

/** @param {string} hay @param {string} words */
export function fits(hay, words) {
  const low = hay.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => low.includes(word));
}
