/** Which runs are selected: by name, so that they stay selected wherever their rows go. */

import { signal } from "../../vendor/preact.js";
import { Refused, get } from "../../core/api.js";
import { toast } from "../../parts/announce.js";
import { list } from "../../text/list.js";

/** Runs that one command may name. */
export const MOST = 1_000;
/** Runs that a page of the list has at most. */
const PAGE = 500;

export const chosen = signal(/** @type {ReadonlySet<string>} */ (new Set()));
/** What was selected last, where a range begins. */
let last = { run: "", place: -1 };

/**
 * Select a run, or not any more; with `range` all from the last one to this one.
 *
 * @param {import("./window.js").Shown} shown
 * @param {URLSearchParams} query of the list
 * @param {number} place
 * @param {string} run
 * @param {boolean} range
 */
export async function choose(shown, query, place, run, range) {
  const wanted = !chosen.value.has(run);
  const known = shown.place(last.run);
  const from = known >= 0 ? known : last.place;
  last = { run, place };
  if (!range || from < 0 || from === place) {
    put([run], wanted);
    return;
  }
  const [low, high] = from < place ? [from, place] : [place, from];
  const runs = between(shown, low, high) ?? (await named(query, low + shown.view.peek().shift, high - low + 1));
  put(runs, wanted);
}

/**
 * Select all runs that match, as far as one command may name them.
 *
 * @param {URLSearchParams} query of the list
 */
export async function chooseAll(query) {
  put(await named(query, 0, MOST + 1), true);
}

/** Select nothing, and forget where a range began. */
export function clear() {
  last = { run: "", place: -1 };
  chosen.value = new Set();
}

/**
 * @param {string[]} runs
 * @param {boolean} wanted
 */
function put(runs, wanted) {
  const now = new Set(chosen.value);
  for (const run of runs)
    if (!wanted) now.delete(run);
    else if (now.size < MOST) now.add(run);
    else if (!now.has(run)) {
      toast(list.select.tooMany, "refused");
      break;
    }
  chosen.value = now;
}

/**
 * The runs that are shown from one place to another; null where not all are known.
 *
 * @param {import("./window.js").Shown} shown
 * @param {number} low
 * @param {number} high
 */
function between(shown, low, high) {
  const runs = [];
  for (let place = low; place <= high; place++) {
    const found = shown.row(place);
    if (!found) return null;
    runs.push(found.run);
  }
  return runs;
}

/**
 * The names of so many runs, by the gateway's list.
 *
 * @param {URLSearchParams} query
 * @param {number} offset
 * @param {number} count
 */
async function named(query, offset, count) {
  const runs = [];
  const most = Math.min(count, MOST + 1);
  try {
    while (runs.length < most) {
      const asked = new URLSearchParams(query);
      asked.set("offset", String(offset + runs.length));
      asked.set("limit", String(Math.min(PAGE, most - runs.length)));
      const { items, next } = await get(`/v1/runs?${asked}`);
      for (const { run } of items) runs.push(run);
      if (!next) break;
    }
  } catch (error) {
    toast(`${list.select.failed} ${error instanceof Refused ? error.message : error}`, "refused");
  }
  return runs;
}
