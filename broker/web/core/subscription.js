/** One run, log or list that is watched, and what the gateway says of it. Pure. */

import { isObject, merge } from "./merge.js";

/** Messages that say nothing without their data. */
const DATA = new Set(["snapshot", "patch", "event", "log", "error"]);

/** What is refused for good: asked again and again, it would cost all subscriptions their connection. */
const NEVER = new Set(["invalid-request", "bad-message", "too-many-subscriptions", "too-long"]);
/** Seconds before a subscription is asked for again: one that was interrupted, or of an unknown run. */
const AGAIN = { least: 0.5, most: 60, unsaid: 1, quiet: 5 };
/** Milliseconds before it is asked whether a run that has ended goes on. */
export const ENDED_PAUSE = AGAIN.quiet * 1000;

export class Subscription {
  /**
   * @param {number} id
   * @param {import("./wire.js").Request} request
   * @param {(told: import("./wire.js").Told) => void} tell
   */
  constructor(id, request, tell) {
    this.id = id;
    this.request = request;
    this.tell = tell;
    /** @type {string | undefined} */
    this.cursor = "cursor" in request ? request.cursor : undefined;
    /** What snapshot and patches add up to. @type {any} */
    this.state = undefined;
    /** Nobody keeps an earlier state. @type {WeakSet<object>} */
    this._own = new WeakSet();
    /** Whether it is refused for good. */
    this.over = false;
    /** Whether the run has ended, and nothing was said of it since. */
    this.ended = false;
    /** What the gateway greeted with when it was asked whether an ended run goes on. @type {any} */
    this._greeting = null;
    /** @type {any} */
    this.retry = undefined;
  }

  get folds() {
    return "list" in this.request || (this.request.view ?? "state") === "state";
  }

  /** The request as it has to be made now: it goes on from where the subscription was. */
  get asking() {
    const { cursor: _first, ...request } = /** @type {any} */ (this.request);
    const cursor = this.folds && this.state === undefined ? undefined : this.cursor;
    if (cursor !== undefined) delete request.tail;
    return { ...request, ...(cursor && { cursor }) };
  }

  /**
   * Take a message in; gives what is new: that a run which has ended has still ended is not.
   *
   * @param {any} message
   * @returns {any[]}
   */
  take(message) {
    if (this.ended && message.type === "end") return [];
    if (this.ended && message.type === "hello") {
      this._greeting = message;
      return [];
    }
    const news = this._greeting ? [this._greeting, message] : [message];
    this._greeting = null;
    this.ended = message.type === "end";
    if (message.type === "snapshot") this.state = message.data;
    else if (message.type === "patch") this.state = merge(this.state, message.data, this._own);
    if (message.cursor) this.cursor = message.cursor;
    return news;
  }
}

/**
 * A message of the gateway; nothing where it is none.
 *
 * @param {unknown} text
 * @returns {any}
 */
export function read(text) {
  let message;
  try {
    message = JSON.parse(String(text));
  } catch {
    return null;
  }
  if (!isObject(message) || typeof message.type !== "string") return null;
  return DATA.has(message.type) && !isObject(message.data) ? null : message;
}

/**
 * Milliseconds until a subscription that was refused is asked for again; null: never.
 *
 * @param {any} problem
 */
export function pauseAfter({ name, retry_after: said }) {
  if (said == null && NEVER.has(name)) return null;
  const seconds = Number(said ?? (name === "interrupted" ? AGAIN.unsaid : AGAIN.quiet));
  return Math.min(AGAIN.most, Math.max(AGAIN.least, seconds || AGAIN.unsaid)) * 1000;
}
