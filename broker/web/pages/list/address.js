/** What the address says of the list: the search, the order, and which rows are open. */

import { computed } from "../../vendor/preact.js";
import { ask, go, hash, query } from "../../core/route.js";
import { parse, withStatuses } from "./search.js";

/** The first is used unless the address says another. */
export const SORTS = [
  "-began_at", "began_at", "-updated_at", "-ended_at", "-duration", "name", "pipeline", "status",
];
/** Open rows that an address names at most. */
const OPEN_MOST = 20;

export const text = computed(() => query.value.get("q") ?? "");
export const search = computed(() => parse(text.value));
export const sort = computed(() => SORTS.find((each) => each === query.value.get("sort")) ?? SORTS[0]);

/** The runs whose rows are open. */
export const open = computed(() => {
  const named = new URLSearchParams(hash.value).getAll("open");
  return new Set(named.slice(0, OPEN_MOST));
});

/**
 * Search for something else; the way back does not lead through every letter.
 *
 * @param {string} wanted
 */
export const searchFor = (wanted) => ask({ q: wanted.trim() });

/** @param {string} wanted */
export const sortBy = (wanted) => ask({ sort: wanted === SORTS[0] ? null : wanted });

/**
 * Where the same search is for these statuses.
 *
 * @param {readonly string[]} statuses
 */
export function at(statuses) {
  const changed = new URLSearchParams(query.value);
  const wanted = withStatuses(text.value, statuses);
  if (wanted) changed.set("q", wanted);
  else changed.delete("q");
  const asked = changed.toString();
  return `/${asked && `?${asked}`}${hash.value && `#${hash.value}`}`;
}

/**
 * Open a row, or close it.
 *
 * @param {string} run
 */
export function turn(run) {
  const now = new Set(open.value);
  if (!now.delete(run)) now.add(run);
  const named = new URLSearchParams([...now].slice(-OPEN_MOST).map((each) => ["open", each]));
  const text = named.toString();
  go(location.pathname + location.search + (text && `#${text}`), { replace: true });
}
