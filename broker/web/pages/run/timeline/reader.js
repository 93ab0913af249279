/**
 * What the events of a run tell that its state does not keep: when its steps tried before, and when
 * it was paused. Follows the rules of the fold (broker/model/evolve.py). Pure.
 */

import { moment } from "../../../core/format.js";

/** @typedef {{earlier: {from: number, to: number}[], begun: number | undefined}} Tries */
/** @typedef {{from: number, to: number}} Span milliseconds */
/**
 * @typedef {object} Told of one attempt of the run
 * @property {Map<string, Tries>} tries by step
 * @property {Span[]} pauses those that are over
 */

/** Events of the run itself with which a later attempt may begin. */
const BEGINNING = new Set(["queued", "started", "progress", "paused", "resumed", "completed", "failed", "cancelled"].map((kind) => `run.${kind}`));
const OVER = new Set(["run.completed", "run.failed", "run.cancelled"]);

/** Reads the events of a run in order. */
export class Reader {
  constructor() {
    this.cursor = "";
    this.count = 0;
    this._attempt = 1;
    /** @type {Map<number, Told>} */
    this._byAttempt = new Map();
    /** When each step last failed. @type {Map<string, number>} */
    this._failed = new Map();
    /** Since when the run is paused. @type {number | undefined} */
    this._paused = undefined;
    this._over = false;
  }

  /** @param {number} attempt of the run */
  of(attempt) {
    return this._byAttempt.get(attempt);
  }

  /** @param {any} event */
  take(event) {
    this.cursor = event.cursor;
    this.count++;
    const { type } = event;
    const ofStep = typeof event.step === "string" && type.startsWith("step.");
    if (!ofStep && !BEGINNING.has(type)) return;
    if (event.attempt > this._attempt) this._begin(event.attempt);
    if (event.attempt < this._attempt) return;
    const told = this._byAttempt.get(this._attempt) ?? this._begin(this._attempt);
    const at = moment(event.time);
    if (Number.isNaN(at)) return;
    if (ofStep) this._step(told.tries, event, at);
    else this._run(told.pauses, type, at);
  }

  /** @param {Span[]} pauses @param {string} type @param {number} at */
  _run(pauses, type, at) {
    if (this._over) return;
    this._over = OVER.has(type);
    if (type === "run.paused") this._paused ??= at;
    else if (this._paused !== undefined && (this._over || type === "run.resumed")) {
      pauses.push({ from: this._paused, to: Math.max(this._paused, at) });
      this._paused = undefined;
    }
  }

  /** @param {Map<string, Tries>} known @param {any} event @param {number} at */
  _step(known, { type, step }, at) {
    const tries = known.get(step) ?? { earlier: [], begun: undefined };
    known.set(step, tries);
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
    this._paused = undefined;
    this._over = false;
    /** @type {Told} */
    const told = { tries: new Map(), pauses: [] };
    this._byAttempt.set(attempt, told);
    return told;
  }
}
