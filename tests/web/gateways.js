/** Gateways that a test speaks for, in place of the browser's WebSocket. */

export class FakeSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;
  /** Every socket that was made, in order. @type {FakeSocket[]} */
  static made = [];

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    this.readyState = FakeSocket.CONNECTING;
    /** @type {any[]} */
    this.heard = [];
    FakeSocket.made.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.heard.push(JSON.parse(text));
  }

  close() {
    this.readyState = FakeSocket.CLOSED;
  }

  // What the gateway does.

  opens() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
    this.says({ type: "hello", data: {} });
  }

  /** @param {any} message */
  says(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** @param {number} code @param {string} [reason] */
  ends(code, reason = "") {
    this.readyState = FakeSocket.CLOSED;
    this.onclose?.({ code, reason });
  }

  /** Ids of the subscriptions that it was asked for and that were not ended. */
  get asked() {
    const open = new Set();
    for (const { op, id } of this.heard)
      if (op === "subscribe") open.add(id);
      else if (op === "unsubscribe") open.delete(id);
    return [...open];
  }
}

/** Take the browser's place for one test. @param {import("node:test").TestContext} t */
export function pretend(t) {
  FakeSocket.made = [];
  globalThis.WebSocket = /** @type {any} */ (FakeSocket);
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_000_000 });
  t.mock.method(Math, "random", () => 1);
  return {
    /** @param {number} ms */
    wait: (ms) => t.mock.timers.tick(ms),
    /** The socket that was made last. */
    last: () => /** @type {FakeSocket} */ (FakeSocket.made.at(-1)),
    made: () => FakeSocket.made.length,
  };
}
