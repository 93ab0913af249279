/**
 * The rows in sight of a list that may have 200,000: which part of it is watched, and what stands
 * where. Rows do not move while they are held: what came above them is counted instead.
 *
 * A place is where a row is shown, counted from the top of what is shown. The gateway counts from
 * the first run of all: that is `shift` more, the number of runs that came above since.
 */

import { batch, effect, signal } from "../../vendor/preact.js";
import { follow } from "../../core/live.js";
import { countOf, find, kept, shared, shiftOf, stays } from "./places.js";

/** Rows that are watched at a time; a part begins at a multiple of STEP. */
const LENGTH = 120;
const STEP = 20;
/** Rows above what is in sight that are watched too. */
const ABOVE = 40;
/** Milliseconds between two changes of the part, while somebody scrolls. */
const PAUSE = 120;

/**
 * @typedef {object} Part
 * @property {number} offset where it begins, as the gateway counts
 * @property {string[]} order
 * @property {Record<string, any>} rows
 */
/**
 * @typedef {object} View
 * @property {Part | null} part the newest that is known; null before the first
 * @property {(Part & {place: number}) | null} held what is shown instead, and the place of its first row
 * @property {number} shift
 * @property {Record<string, number>} counts by status
 * @property {readonly string[]} statuses of what is shown; none: any
 * @property {import("../../core/api.js").Refused | null} problem why there is no part, or why the one that is shown is old
 * @property {boolean} waiting whether nothing of this search was heard yet: what is shown is of another
 */

/** @type {View} */
const NOTHING = { part: null, held: null, shift: 0, counts: {}, statuses: [], problem: null, waiting: true };

export class Shown {
  /** @type {import("../../vendor/preact.js").Signal<View>} */
  view = signal(NOTHING);

  /**
   * @param {URLSearchParams} query filters and sort
   * @param {readonly string[]} statuses that it asks for; none: any
   * @param {Shown | null} before what was shown until now
   * @param {boolean} [same] whether that was the same search, of a moment ago
   */
  constructor(query, statuses, before = null, same = false) {
    this._query = query;
    this._statuses = statuses;
    if (before) this.view.value = before.view.peek();
    if (!same) this._change({ held: null, shift: 0, problem: null, waiting: true });
    this._holding = before?._holding ?? false;
    this._sight = (same && before?._sight) || { first: 0, last: 30 };
    this._asked = (same && before?._asked) || { offset: 0 };
    this._changedAt = 0;
    this._timer = 0;
    this._end = () => {};
    this._watch(this._asked.offset);
  }

  /** How many rows are shown. */
  get count() {
    return countOf(this.view.value);
  }

  /** The row at a place: `row` is null where it is not known yet, `gone` says it left the list. @param {number} place */
  row(place) {
    return find(this.view.value, place);
  }

  /** Where a run is shown; -1 where that is not known. @param {string} run */
  place(run) {
    const { part, held, shift } = this.view.value;
    const shown = held ?? part;
    const index = shown?.order.indexOf(run) ?? -1;
    return index < 0 || !shown ? -1 : index + (held ? held.place : shown.offset - shift);
  }

  /** Whether what is shown is not what the list is by now. */
  get behind() {
    const { held, shift } = this.view.value;
    if (shift > 0 || !held) return shift > 0;
    return !stays(this.view.value, { ...this.view.value, held: null }, held.place, held.place + held.order.length - 1);
  }

  /**
   * The rows from one place to another exist now.
   *
   * @param {number} first
   * @param {number} last
   */
  look(first, last) {
    this._sight = { first, last };
    const { held } = this.view.peek();
    if (held && (first < held.place || last >= held.place + held.order.length)) this._change({ held: null });
    this._follow();
  }

  /** Keep rows where they are, or let them move again. @param {boolean} holding */
  hold(holding) {
    this._holding = holding;
    if (!holding) this.release();
  }

  /** Show the list as it is by now. */
  release() {
    const { held, shift } = this.view.peek();
    if (held || shift) this._change({ held: null, shift: 0 });
    this._follow();
  }

  stop() {
    clearTimeout(this._timer);
    this._end();
  }

  /** @param {Partial<View>} changed */
  _change(changed) {
    this.view.value = { ...this.view.peek(), ...changed };
  }

  /** Watch another part where what is in sight is not within the one that is watched. */
  _follow() {
    const view = this.view.peek();
    const first = this._sight.first + view.shift;
    const last = Math.min(this._sight.last, countOf(view) - 1) + view.shift;
    const { offset } = this._asked;
    if (first >= offset && last < offset + LENGTH) return;
    if (this._timer) return;
    const pause = this._changedAt + PAUSE - performance.now();
    if (pause > 0) {
      this._timer = window.setTimeout(() => {
        this._timer = 0;
        this._follow();
      }, pause);
      return;
    }
    this._watch(Math.max(0, Math.floor((first - ABOVE) / STEP) * STEP));
  }

  /** @param {number} offset */
  _watch(offset) {
    this._changedAt = performance.now();
    this._asked = { offset };
    const query = new URLSearchParams(this._query);
    query.set("limit", String(LENGTH));
    if (offset) query.set("offset", String(offset));
    const { shown, stop } = follow({ list: String(query) });
    const end = this._end;
    let replaced = false;
    const unwatch = effect(() => {
      const { standing, state, problem } = shown.value;
      if (standing === "loading") return;
      if (!replaced) end();
      replaced = true;
      batch(() => {
        // What is shown of this search stays: the gateway is asked again.
        if (problem) this._change({ problem, ...(this.view.peek().waiting && { part: null }) });
        else this._heard(offset, state);
      });
    });
    this._end = () => {
      if (!replaced) end();
      unwatch();
      stop();
    };
  }

  /**
   * @param {number} offset
   * @param {{rows: Record<string, any>, order: string[], counts: Record<string, number>}} state
   */
  _heard(offset, { rows, order, counts }) {
    const before = this.view.peek();
    const part = { offset, order, rows: shared(before.part?.rows, rows) };
    /** @type {View} */
    const after = { ...before, part, counts, statuses: this._statuses, problem: null, waiting: false };
    const { first } = this._sight;
    const last = Math.min(this._sight.last, countOf(before) - 1);
    if (this._holding && before.part && !before.waiting) {
      after.shift = Math.max(0, shiftOf(before, part, this._sight) ?? before.shift);
      after.held = stays(before, { ...after, held: null }, first, last) ? null : kept(before, part, first, last);
    } else {
      after.held = null;
      after.shift = 0;
    }
    this.view.value = after;
    this._follow();
  }
}
