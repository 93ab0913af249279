/**
 * The reading of a run's events: one request at a time, each for what came after the last one, and
 * as seldom as the gateway allows even while a run changes many times a second. Pure, but for its
 * clock.
 */

import { Reader } from "./reader.js";

/** Events of a run that are read at most. */
const MOST = 200_000;
/** Milliseconds between the beginnings of two requests: the gateway allows one run a request a second. */
const APART = 3_000;

/**
 * @typedef {object} Need
 * @property {string} [cursor] of the last event that has to be known
 * @property {number} events how many the run has up to there
 */

export class Reading {
  /**
   * @param {(after: string, signal: AbortSignal) => AsyncIterable<any[]>} ask the events after a
   *   cursor, or all of them after ""
   */
  constructor(ask) {
    this._ask = ask;
    this._reader = new Reader();
    /** @type {Need | null} */
    this._need = null;
    /** What ends the request that is under way. @type {AbortController | null} */
    this._asking = null;
    /** Runs until the next request may begin. @type {any} */
    this._rests = undefined;
    this._changed = () => {};
    /**
     * How far the events were read: `cut`, the first MOST; `gone`, those that are still kept.
     *
     * @type {"whole" | "failed" | "cut" | "gone"}
     */
    this.standing = "whole";
  }

  /** What is known of an attempt of the run. @param {number} attempt */
  of(attempt) {
    return this._reader.of(attempt);
  }

  /** Read on, as soon as that may be. @param {Need} need */
  need(need) {
    this._need = need;
    this._next();
  }

  /**
   * Be told when more is known. Gives what ends that, and the request that is under way; what was
   * read by then is kept.
   *
   * @param {() => void} changed
   */
  follow(changed) {
    this._changed = changed;
    return () => {
      this._changed = () => {};
      this._need = null;
      this._asking?.abort();
      this._asking = null;
    };
  }

  _next() {
    const need = this._need;
    if (!need || this._asking || this._rests !== undefined) return;
    this._need = null;
    if (this._reader.count <= MOST && !reaches(this._reader.cursor, need.cursor)) void this._go(need);
    else this._stand(need);
  }

  /** @param {Need} need */
  async _go(need) {
    const asking = (this._asking = new AbortController());
    this._rest(APART);
    try {
      await this._read(asking.signal);
      if (!asking.signal.aborted) this._stand(need);
    } catch (error) {
      if (!asking.signal.aborted) this._failed(error, need);
    }
    if (this._asking !== asking) return;
    this._asking = null;
    this._next();
  }

  /** @param {AbortSignal} signal */
  async _read(signal) {
    for await (const events of this._ask(this._reader.cursor, signal)) {
      if (signal.aborted) return;
      for (const event of events) this._reader.take(event);
      if (this._reader.count > MOST) return;
    }
  }

  /** @param {unknown} error @param {Need} need */
  _failed(error, need) {
    const { status, name, retryAfter } = /** @type {import("../../../core/api.js").Refused} */ (error);
    if ((status === 429 || status === 503) && retryAfter) {
      this._need ??= need;
      this._rest(Math.max(APART, retryAfter * 1000));
    } else if (name === "invalid-cursor" && this._reader.cursor) {
      // The gateway's stream was made anew: what was read is of the one before.
      this._reader = new Reader();
      this._need ??= need;
      this._rest(0);
    } else {
      this.standing = "failed";
      this._changed();
    }
  }

  /** @param {Need} need */
  _stand({ events }) {
    const { count } = this._reader;
    this.standing = count > MOST ? "cut" : count < events ? "gone" : "whole";
    this._changed();
  }

  /** Ask nothing for some time. @param {number} time milliseconds */
  _rest(time) {
    clearTimeout(this._rests);
    this._rests = setTimeout(() => {
      this._rests = undefined;
      this._next();
    }, time);
  }
}

/** The stream that a cursor is of. @param {string | undefined} cursor */
export const epochOf = (cursor = "") => cursor.slice(0, cursor.lastIndexOf("-"));

/**
 * Whether what was read up to a cursor holds what is needed up to another.
 *
 * @param {string} read
 * @param {string | undefined} needed
 */
function reaches(read, needed) {
  if (!read || !needed || epochOf(read) !== epochOf(needed)) return false;
  /** @param {string} cursor */
  const place = (cursor) => Number(cursor.slice(cursor.lastIndexOf("-") + 1));
  return place(read) >= place(needed);
}
