/** Every stored event of a run, from the first, and those to come as they come. */

import { signal } from "../../../vendor/preact.js";
import { watch } from "../../../core/live.js";

/** @typedef {{cursor: string, type: string, time?: string, [field: string]: any}} StoredEvent */

/** Events that are kept in the browser; of longer stories, the newest. */
export const MOST = 50_000;
/** Milliseconds between two changes of what is drawn. */
const DRAWN_EVERY = 150;

export class Story {
  /** @param {string} run */
  constructor(run) {
    /** @type {StoredEvent[]} */
    this.events = [];
    /** Grows with every change of `events`, which stays the same array. */
    this.version = signal(0);
    this.problem = signal("");
    this.shortened = false;
    this._timer = 0;
    this._end = watch({ run, view: "events" }, (told) => {
      if (told.type === "hello" && told.data?.resumed === false) this.events = [];
      else if (told.type === "snapshot") this.shortened = true;
      else if (told.type === "event") this.events.push(told.data);
      else if (told.type === "error") this.problem.value = told.data?.detail ?? "";
      else if (told.type !== "hello") return;
      if (told.type !== "error") this.problem.value = "";
      if (this.events.length > MOST * 1.1) {
        this.events = this.events.slice(-MOST);
        this.shortened = true;
      }
      this._timer ||= window.setTimeout(() => {
        this._timer = 0;
        this.version.value += 1;
      }, DRAWN_EVERY);
    });
  }

  stop() {
    this._end();
    clearTimeout(this._timer);
  }
}
