/**
 * The way from a page to the hub of all tabs, which is made anew when the hub's worker has died: a
 * browser may end it with the tab that began it, and tells nobody. Where there is no worker, the
 * page has a hub of its own.
 */

import { Hub } from "./hub.js";

/** Milliseconds between two questions whether the hub is still there. */
const ASK_EVERY = 2_000;
/** Questions without an answer after which it is not: of one that works, and of one that has to start. */
const UNANSWERED = { before: 15, since: 2 };

/**
 * Where a hub is reached, and how it is told that this page has gone.
 *
 * @typedef {{port: MessagePort, leave: () => void}} Place
 */

export class Way {
  /**
   * @param {(message: any) => void} take what the hub says
   * @param {() => object[]} begin what a new hub has to be told first
   * @param {() => boolean} awake whether the hub is needed now
   */
  constructor(take, begin, awake) {
    this._take = take;
    this._begin = begin;
    this._awake = awake;
    this._unanswered = 0;
    /** Whether this hub, or worker, has ever said something. */
    this._heard = false;
    /** Whether it has answered that it is there; a worker of an older gateway does not. */
    this._answers = false;
    /** @type {Place} */
    this._place = this._use(shared(() => this._failed()) ?? alone());
    setInterval(() => this._ask(), ASK_EVERY);
  }

  /** @param {object} message */
  say(message) {
    this._place.port.postMessage(message);
  }

  /** @param {Place} place */
  _use(place) {
    this._unanswered = 0;
    this._heard = this._answers = false;
    this._place = place;
    place.port.onmessage = ({ data }) => this._told(place, data);
    for (const message of [{ op: "here" }, ...this._begin()]) place.port.postMessage(message);
    return place;
  }

  /**
   * @param {Place} place
   * @param {any} message
   */
  _told(place, message) {
    if (place !== this._place) return;
    this._heard = true;
    this._unanswered = 0;
    if (message.here || message.gone) this._answers = true;
    if (message.gone) this._renew();
    else if (!message.here) this._take(message);
  }

  _ask() {
    const most = this._heard ? UNANSWERED.since : UNANSWERED.before;
    if (!this._awake()) this._unanswered = 0;
    else if (this._unanswered++ < most) this.say({ op: "here" });
    else this._renew();
  }

  /** The worker's script did not come; what fails in one that works is its own. */
  _failed() {
    if (!this._heard) this._renew();
  }

  /** Take another hub; one of this page where the worker has not shown that it can be asked. */
  _renew() {
    this.say({ op: "bye" });
    this._place.leave();
    this._use((this._answers && shared(() => this._failed())) || alone());
  }
}

/**
 * The way to the hub of all tabs; nothing where the browser has none, or forbids it in a frame.
 *
 * @param {() => void} failed
 * @returns {?Place}
 */
function shared(failed) {
  try {
    const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = failed;
    worker.port.start();
    /** @type {() => void} */
    let leave = () => {};
    const left = new Promise((resolve) => (leave = () => resolve(undefined)));
    const lock = `page-${crypto.randomUUID?.() ?? Math.random()}`;
    const held = () => {
      worker.port.postMessage({ op: "alive", lock });
      return left;
    };
    // The worker is told once it is held: it would else get it first, and take this page for dead.
    navigator.locks?.request(lock, held).catch(() => {});
    return { port: worker.port, leave };
  } catch {
    return null;
  }
}

/**
 * The way to a hub of this page.
 *
 * @returns {Place}
 */
function alone() {
  const { port1, port2 } = new MessageChannel();
  new Hub(`${location.origin.replace(/^http/, "ws")}/v1/ws`).serve(port2);
  return { port: port1, leave: () => {} };
}
