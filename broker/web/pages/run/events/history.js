/**
 * The states of a run, one per event, made of the patches that the gateway tells
 * (`/v1/runs/{run}/events?view=state`). All patches are kept and some of the states: any other is a
 * few patches away.
 */

import { encoded, lines } from "../../../core/api.js";
import { merge } from "../../../core/merge.js";

/** Events from one kept state to the next. */
const APART = 128;
/** Milliseconds of work after which the page gets its turn. */
const TURN = 12;

export class History {
  /** @param {string} run */
  constructor(run) {
    this._run = run;
    /** @type {{cursor: string, time: string, patch: any}[]} */
    this._told = [];
    /** The state before every APART-th event. @type {any[]} */
    this._kept = [];
    /** @type {Map<string, number>} */
    this._places = new Map();
    /** @type {any} */
    this._state = undefined;
    /** @type {Promise<void> | null} */
    this._reading = null;
    this._abort = new AbortController();
  }

  /** Read all that is stored by now; again, where more may have come. */
  read() {
    this._reading ??= this._read().finally(() => (this._reading = null));
    return this._reading;
  }

  stop() {
    this._abort.abort();
  }

  /** The patch of an event; nothing where it is not read. @param {string} cursor */
  patch(cursor) {
    const place = this._places.get(cursor);
    return place === undefined ? undefined : this._told[place].patch;
  }

  /**
   * The state after an event; null where it is not read.
   *
   * @param {string} cursor
   * @returns {{cursor: string, state: any, time: string} | null}
   */
  at(cursor) {
    const place = this._places.get(cursor);
    if (place === undefined) return null;
    const from = Math.floor(place / APART);
    let state = this._kept[from];
    for (let i = from * APART; i <= place; i++) state = merge(state, this._told[i].patch);
    return { cursor, state, time: this._told[place].time };
  }

  async _read() {
    const path = `/v1/runs/${encoded(this._run)}/events?view=state`;
    this._told = [];
    this._kept = [];
    this._places = new Map();
    this._state = undefined;
    let turn = performance.now();
    for await (const batch of lines(path, this._abort.signal)) {
      for (const told of batch) {
        if (this._told.length % APART === 0) this._kept.push(this._state);
        this._places.set(told.cursor, this._told.length);
        this._told.push(told);
        this._state = merge(this._state, told.patch);
        if (performance.now() - turn > TURN) {
          await new Promise((resolve) => setTimeout(resolve));
          turn = performance.now();
        }
      }
    }
  }
}
