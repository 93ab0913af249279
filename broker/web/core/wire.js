/**
 * The one connection to the gateway: a WebSocket with any number of subscriptions, which comes back
 * by itself and continues where each subscription was. docs/websocket.md says what is spoken.
 */

import { Pulse } from "./pulse.js";
import { StreamSocket } from "./streams.js";
import { ENDED_PAUSE, Subscription, pauseAfter, read } from "./subscription.js";

/** @typedef {"idle" | "connecting" | "open" | "lost" | "refused"} Standing `idle`: nothing is watched */
/**
 * @typedef {object} Connection
 * @property {Standing} standing
 * @property {number} since when this standing began, in milliseconds
 * @property {number} [retryAt] when the next try is made
 * @property {number} [code] with which it was closed, where it was refused
 * @property {string} [reason] what the gateway said as it closed; `nonsense` and `silent` are said here
 */
/** @typedef {{run: string, view?: string, cursor?: string, [member: string]: any}} RunRequest */
/** @typedef {{list: string}} ListRequest */
/** @typedef {RunRequest | ListRequest} Request */
/**
 * @typedef {object} Told
 * @property {"hello" | "snapshot" | "patch" | "event" | "log" | "end" | "error"} type
 * @property {string} [cursor]
 * @property {any} [data]
 * @property {any} [state] what snapshot and patches add up to, where they do
 */

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** Milliseconds in which a connection has to open, and that it has to stand until pauses are short again. */
const OPEN_WITHIN = 8_000;
const STOOD = 10_000;
/** Characters of a message that the gateway surely takes: a longer one would end the connection for all. */
const LONGEST = 4_000;
/** WebSockets that fail before one has ever opened, until event streams are tried in their place. */
const FAILURES = 3;
/** Close codes after which the same would only be refused again. */
const FINAL = new Set([1002, 1003, 1007, 1009, 4400, 4401, 4429]);

export class Wire {
  /**
   * @param {string} url of `/v1/ws`
   * @param {(connection: Connection) => void} onConnection
   */
  constructor(url, onConnection) {
    this._url = url;
    this._onConnection = onConnection;
    /** @type {Map<number, Subscription>} */
    this._subscriptions = new Map();
    /** @type {WebSocket | StreamSocket | null} */
    this._socket = null;
    this._failures = 0;
    /** Whether a WebSocket has ever passed through this network. */
    this._passes = false;
    /** @type {any} */
    this._patience = undefined;
    this._next = 1;
    /** @type {any} */
    this._timer = undefined;
    this._pulse = new Pulse(() => this._say({ op: "ping", id: 0 }), () => this._drop(4000, "silent", this._pulse.heardAt));
    /** @type {Connection} */
    this.connection = { standing: "idle", since: Date.now() };
  }

  /**
   * Begin to be told of a run or a list; gives what ends it.
   *
   * @param {Request} request
   * @param {(told: Told) => void} tell
   * @returns {() => void}
   */
  watch(request, tell) {
    const subscription = new Subscription(this._next++, request, tell);
    this._subscriptions.set(subscription.id, subscription);
    if (this._open()) this._subscribe(subscription);
    else if (!this._socket && this.connection.standing !== "refused" && this._timer === undefined)
      this._connect();
    return () => {
      clearTimeout(subscription.retry);
      if (!this._subscriptions.delete(subscription.id)) return;
      if (this._open() && !subscription.over) this._say({ op: "unsubscribe", id: subscription.id });
    };
  }

  /** Try at once: the person asked, or the network came back. */
  hurry() {
    if (this._socket || !this._subscriptions.size) return;
    clearTimeout(this._timer);
    this._timer = undefined;
    this._failures = 0;
    this._connect();
  }

  /** Find out at once whether the gateway is there: time has passed, or the network changed. */
  check() {
    if (this._open()) this._pulse.ask();
    else if (this.connection.standing === "lost") this.hurry();
  }

  /** Close, and come back only when something is watched again or `hurry` is called. */
  rest() {
    clearTimeout(this._timer);
    this._timer = undefined;
    if (this._socket) this._drop(1000);
    else this._stand({ standing: "idle" });
  }

  _open() {
    return this._socket?.readyState === WebSocket.OPEN;
  }

  _connect() {
    const { standing } = this.connection;
    if (standing === "refused" || standing === "idle") this._stand({ standing: "connecting" });
    const streams = !this._passes && this._failures >= FAILURES && this._failures % 2 === 1;
    let socket;
    try {
      socket = streams ? new StreamSocket(this._url) : new WebSocket(this._url);
    } catch {
      this._lost(1006, ""); // a page of https may not speak to a gateway of http
      return;
    }
    this._socket = socket;
    this._patience = setTimeout(() => this._drop(4000, "silent"), OPEN_WITHIN);
    socket.onopen = () => {
      clearTimeout(this._patience);
      this._patience = setTimeout(() => (this._failures = 0), STOOD);
      for (const subscription of this._subscriptions.values())
        if (!subscription.over) this._subscribe(subscription);
      this._pulse.begin();
    };
    socket.onmessage = (/** @type {{data: string}} */ event) => this._heard(event.data);
    socket.onclose = (/** @type {{code: number, reason: string}} */ event) => this._lost(event.code, event.reason);
  }

  /** @param {string} text */
  _heard(text) {
    this._pulse.heard();
    const message = read(text);
    if (!message) {
      this._drop(4000, "nonsense");
      return;
    }
    if (this.connection.standing !== "open") {
      this._passes ||= !(this._socket instanceof StreamSocket);
      this._stand({ standing: "open" });
    }
    const subscription = this._subscriptions.get(message.id);
    if (!subscription || message.type === "pong") return;
    if (message.type === "error" && !this._mended(subscription, message.data)) return;
    if (message.type === "end") this._again(subscription, ENDED_PAUSE);
    for (const one of subscription.take(message))
      subscription.tell(subscription.folds ? { ...one, state: subscription.state } : one);
  }

  /**
   * Ask again for what the gateway refuses for a time; whether the viewer has to know.
   *
   * @param {Subscription} subscription
   * @param {any} problem
   */
  _mended(subscription, problem) {
    const pause = pauseAfter(problem);
    if (pause === null) subscription.over = true;
    else this._again(subscription, pause);
    return problem.name !== "interrupted";
  }

  /**
   * @param {Subscription} subscription
   * @param {number} pause milliseconds
   */
  _again(subscription, pause) {
    clearTimeout(subscription.retry);
    subscription.retry = setTimeout(() => {
      if (this._open() && this._subscriptions.has(subscription.id)) this._subscribe(subscription);
    }, pause);
  }

  /** @param {Subscription} subscription */
  _subscribe(subscription) {
    clearTimeout(subscription.retry);
    const message = { op: "subscribe", id: subscription.id, ...subscription.asking };
    if (JSON.stringify(message).length <= LONGEST) this._say(message);
    else {
      subscription.over = true;
      queueMicrotask(() => subscription.tell({ type: "error", data: { name: "too-long" } }));
    }
  }

  /** @param {object} message */
  _say(message) {
    this._socket?.send(JSON.stringify(message));
  }

  /**
   * Give the socket up without waiting for its close handshake, which a dead network never ends.
   *
   * @param {number} code
   * @param {string} [reason]
   * @param {number} [since] when it was lost, in milliseconds
   */
  _drop(code, reason = "", since = Date.now()) {
    const socket = this._socket;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code === 1000 ? 1000 : 4000);
    this._lost(code, reason, since);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {number} [since]
   */
  _lost(code, reason, since) {
    this._socket = null;
    this._pulse.end();
    clearTimeout(this._patience);
    if (code === 1000) {
      this._stand({ standing: "idle" });
      return;
    }
    if (FINAL.has(code)) {
      this._stand({ standing: "refused", code, reason });
      return;
    }
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this._failures++);
    const pause = longest * (0.5 + Math.random() / 2);
    this._stand({ standing: "lost", retryAt: Date.now() + pause, reason }, since);
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._timer = undefined;
      this._connect();
    }, pause);
  }

  /**
   * @param {Omit<Connection, "since">} standing
   * @param {number} [since]
   */
  _stand(standing, since = Date.now()) {
    const same = standing.standing === this.connection.standing;
    this.connection = { ...standing, since: same ? this.connection.since : since };
    this._onConnection(this.connection);
  }
}
