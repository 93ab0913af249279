/**
 * The attempts that steps made before their present one. A state tells only how many there were;
 * when each was, the run's events tell, which are read for runs that have such steps.
 */

import { useEffect, useRef, useState } from "../../../vendor/preact.js";
import { encoded, lines } from "../../../core/api.js";
import { moment } from "../../../core/format.js";

/** @typedef {{earlier: {from: number, to: number}[], begun: number | undefined}} Tries */

/** Events of a run that are read at most. */
const MOST = 200_000;

/** Reads the events of a run in order, and keeps when its steps tried. */
class Reader {
  constructor() {
    this.cursor = "";
    this.count = 0;
    this._attempt = 1;
    /** @type {Map<number, Map<string, Tries>>} */
    this._byAttempt = new Map();
    /** @type {Map<string, number>} */
    this._failed = new Map();
  }

  /** @param {number} attempt of the run */
  of(attempt) {
    return this._byAttempt.get(attempt);
  }

  /** @param {any} event */
  take(event) {
    this.cursor = event.cursor;
    this.count++;
    const { type, step } = event;
    if (typeof step !== "string" || !type.startsWith("step.")) {
      if (type.startsWith("run.") && event.attempt > this._attempt) this._begin(event.attempt);
      return;
    }
    if (event.attempt > this._attempt) this._begin(event.attempt);
    if (event.attempt < this._attempt) return;
    const known = this._byAttempt.get(this._attempt) ?? this._begin(this._attempt);
    const tries = known.get(step) ?? { earlier: [], begun: undefined };
    known.set(step, tries);
    const at = moment(event.time);
    if (type === "step.started" || type === "step.progress") tries.begun ??= at;
    else if (type === "step.failed") this._failed.set(step, at);
    else if (type === "step.retrying") {
      if (tries.begun !== undefined) tries.earlier.push({ from: tries.begun, to: this._failed.get(step) ?? at });
      this._failed.delete(step);
      tries.begun = undefined;
    }
  }

  /** @param {number} attempt */
  _begin(attempt) {
    this._attempt = attempt;
    this._failed.clear();
    /** @type {Map<string, Tries>} */
    const known = new Map();
    this._byAttempt.set(attempt, known);
    return known;
  }
}

/**
 * What is known of earlier attempts, by step; nothing where no step made any.
 *
 * @param {string} run
 * @param {any} state
 * @returns {ReadonlyMap<string, Tries> | undefined}
 */
export function useTries(run, state) {
  const [, seen] = useState(0);
  const reader = useRef(/** @type {{run: string, reader: Reader} | null} */ (null));
  const changes = changesOf(state.steps);
  useEffect(() => {
    if (!changes) return;
    if (reader.current?.run !== run) reader.current = { run, reader: new Reader() };
    const reading = reader.current.reader;
    const ending = new AbortController();
    read(run, reading, ending.signal).then(() => seen((n) => n + 1), () => {});
    return () => ending.abort();
  }, [run, changes]);
  return changes ? reader.current?.reader.of(state.attempt) : undefined;
}

/**
 * Read on from where a reader stands. What cannot be read is not shown: the lanes stand without.
 *
 * @param {string} run
 * @param {Reader} reader
 * @param {AbortSignal} signal
 */
async function read(run, reader, signal) {
  const after = reader.cursor && `?after=${encodeURIComponent(reader.cursor)}`;
  for await (const events of lines(`/v1/runs/${encoded(run)}/events${after}`, signal)) {
    if (signal.aborted) return;
    for (const event of events) reader.take(event);
    if (reader.count > MOST) return;
  }
}

/**
 * Something that differs when there is more to be read: a step was repeated, or began again.
 *
 * @param {Record<string, any>} steps
 */
function changesOf(steps) {
  let changes = 0;
  for (const id in steps) {
    const { attempt, status } = steps[id];
    if (attempt > 1) changes += attempt * 2 - Number(status === "retrying");
  }
  return changes;
}
