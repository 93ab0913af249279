/** One run, log or list that is watched, and what the gateway says of it. Pure. */

import { isObject, merge } from "./merge.js";

/** Messages that say nothing without their data. */
const DATA = new Set(["snapshot", "patch", "event", "log", "error"]);

/** What is refused for good: asked again and again, it would cost all subscriptions their connection. */
const NEVER = new Set(["invalid-request", "bad-message", "too-many-subscriptions", "too-long"]);

/**
 * Whether who watches should ask again for what was refused. Where the gateway says when, the
 * connection does so itself.
 *
 * @param {any} problem
 */
export const worthAsking = (problem) => problem?.retry_after == null && !NEVER.has(problem?.name);

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
    this.over = false;
    /** @type {any} */
    this.retry = undefined;
  }

  get folds() {
    return "list" in this.request || (this.request.view ?? "state") === "state";
  }

  /** @param {any} message */
  take(message) {
    if (message.type === "snapshot") this.state = message.data;
    else if (message.type === "patch") this.state = merge(this.state, message.data, this._own);
    else if (message.type === "end") this.over = true;
    if (message.cursor) this.cursor = message.cursor;
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
