/** Which run stands at which place of a list. Pure. */

/** @typedef {import("./window.js").View} View */

/**
 * How many runs there are of these statuses.
 *
 * @param {Record<string, number>} counts
 * @param {readonly string[]} statuses none: any
 */
export function totalOf(counts, statuses) {
  const counted = statuses.length ? statuses.map((status) => counts[status] ?? 0) : Object.values(counts);
  return counted.reduce((sum, count) => sum + count, 0);
}

/** How many rows are shown. @param {View} view */
export const countOf = ({ counts, statuses, shift }) => Math.max(0, totalOf(counts, statuses) - shift);

/**
 * What stands at a place; null where that is not known yet. `gone`: it is in this part of the list
 * no more, and is shown as it last was.
 *
 * @param {Pick<View, "part" | "held" | "shift">} view
 * @param {number} place
 * @returns {{run: string, row: any, gone: boolean} | null}
 */
export function find({ part, held, shift }, place) {
  const run = held ? held.order[place - held.place] : part?.order[place + shift - part.offset];
  if (run === undefined || !part) return null;
  const here = Object.hasOwn(part.rows, run);
  return { run, row: here ? part.rows[run] : held?.rows[run], gone: !here };
}

/**
 * How many runs came above, by a run that was in sight and still is in the list; null where there
 * is none.
 *
 * @param {View} before
 * @param {import("./window.js").Part} part
 * @param {{first: number, last: number}} sight
 */
export function shiftOf(before, part, { first, last }) {
  for (let place = first; place <= last; place++) {
    const found = find(before, place);
    const index = found ? part.order.indexOf(found.run) : -1;
    if (index >= 0) return part.offset + index - place;
  }
  return null;
}

/**
 * Whether the same runs stand at these places.
 *
 * @param {View} before
 * @param {View} after
 * @param {number} first
 * @param {number} last
 */
export function stays(before, after, first, last) {
  for (let place = first; place <= last; place++) {
    const run = find(before, place)?.run;
    if (run !== undefined && find(after, place)?.run !== run) return false;
  }
  return true;
}

/**
 * What is shown, to stay, with what is now known of its runs; null where more is in sight.
 *
 * @param {View} before
 * @param {import("./window.js").Part} part
 * @param {number} first
 * @param {number} last
 */
export function kept(before, part, first, last) {
  const shown = before.held ?? (before.part && { ...before.part, place: before.part.offset - before.shift });
  if (!shown || first < shown.place || last >= shown.place + shown.order.length) return null;
  /** @type {Record<string, any>} */
  const rows = Object.create(null);
  for (const run of shown.order) rows[run] = Object.hasOwn(part.rows, run) ? part.rows[run] : shown.rows[run];
  return { ...shown, rows };
}

/**
 * The rows, each the very object that it was before where it says the same: then it is not drawn
 * again. A part that is newly watched comes with rows of its own.
 *
 * @param {Record<string, any> | undefined} before
 * @param {Record<string, any>} rows
 */
export function shared(before, rows) {
  if (!before) return rows;
  /** @type {Record<string, any>} */
  const found = Object.create(null);
  for (const run of Object.keys(rows)) {
    const row = rows[run];
    const old = Object.hasOwn(before, run) ? before[run] : undefined;
    found[run] = old && old.cursor === row.cursor && sameEnd(old.eta, row.eta) ? old : row;
  }
  return found;
}

/** @param {any} a @param {any} b */
const sameEnd = (a, b) => a === b || (a && b && a.p50 === b.p50 && a.p90 === b.p90 && a.overdue === b.overdue);
