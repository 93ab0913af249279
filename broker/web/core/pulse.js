/** Whether a connection still says something: it is asked now and then, and has a while to answer. */

/** Milliseconds between pings, and what an answer may take before the connection counts as lost. */
const PING_EVERY = 10_000;
const PONG_WITHIN = 6_000;

export class Pulse {
  /**
   * @param {() => void} ping asks for an answer
   * @param {() => void} silent told when none came
   */
  constructor(ping, silent) {
    this._ping = ping;
    this._silent = silent;
    /** When something was last heard, in milliseconds. */
    this.heardAt = 0;
    /** @type {any} */
    this._pings = undefined;
    /** @type {any} */
    this._overdue = undefined;
  }

  /** The connection is open: the gateway greets. */
  begin() {
    this.heardAt = Date.now();
    this._pings = setInterval(() => this.ask(), PING_EVERY);
    this._await();
  }

  /** Ask at once. */
  ask() {
    this._ping();
    this._await();
  }

  /** Something was said. */
  heard() {
    this.heardAt = Date.now();
    this._rest();
  }

  end() {
    clearInterval(this._pings);
    this._rest();
  }

  _rest() {
    clearTimeout(this._overdue);
    this._overdue = undefined;
  }

  _await() {
    this._overdue ??= setTimeout(this._silent, PONG_WITHIN);
  }
}
