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
    /** @type {MessagePort} */
    this._port = this._use(shared(() => this._failed()) ?? alone());
    setInterval(() => this._ask(), ASK_EVERY);
  }

  /** @param {object} message */
  say(message) {
    this._port.postMessage(message);
  }

  /** @param {MessagePort} port */
  _use(port) {
    this._unanswered = 0;
    this._heard = false;
    this._port = port;
    port.onmessage = ({ data }) => this._told(port, data);
    for (const message of this._begin()) port.postMessage(message);
    return port;
  }

  /**
   * @param {MessagePort} port
   * @param {any} message
   */
  _told(port, message) {
    if (port !== this._port) return;
    this._heard = true;
    this._unanswered = 0;
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

  /** Take another hub; one of this page where the worker never said anything. */
  _renew() {
    this.say({ op: "bye" });
    this._use((this._heard && shared(() => this._failed())) || alone());
  }
}

/**
 * The way to the hub of all tabs; nothing where the browser has none, or forbids it in a frame.
 *
 * @param {() => void} failed
 */
function shared(failed) {
  try {
    const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = failed;
    worker.port.start();
    const lock = `page-${crypto.randomUUID?.() ?? Math.random()}`;
    const held = () => {
      worker.port.postMessage({ op: "alive", lock });
      return new Promise(() => {});
    };
    // The worker is told once it is held: it would else get it first, and take this page for dead.
    navigator.locks?.request(lock, held).catch(() => {});
    return worker.port;
  } catch {
    return null;
  }
}

/** The way to a hub of this page. */
function alone() {
  const { port1, port2 } = new MessageChannel();
  new Hub(`${location.origin.replace(/^http/, "ws")}/v1/ws`).serve(port2);
  return port1;
}
