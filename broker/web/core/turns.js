/** Who may do something of which only a few are possible at a time. Pure, but for its clock. */

class Turn {
  /** @param {() => void} ended */
  constructor(ended) {
    this._abort = new AbortController();
    /** Aborted when it is over: others wait, or nobody wants it any more. */
    this.signal = this._abort.signal;
    this._begun = Date.now();
    this._ended = ended;
    /** @type {any} */
    this._timer = undefined;
  }

  /** Make room for another once this one has had its time. @param {number} time milliseconds */
  yields(time) {
    this._timer ??= setTimeout(() => this._abort.abort(), Math.max(0, this._begun + time - Date.now()));
  }

  stop() {
    this._abort.abort();
  }

  /** Give the place back. */
  end() {
    clearTimeout(this._timer);
    this._ended();
  }
}

export class Turns {
  /**
   * @param {number} most at a time
   * @param {number} time milliseconds that each has while others wait
   */
  constructor(most, time) {
    this._most = most;
    this._time = time;
    /** From the one that began first. @type {Set<Turn>} */
    this._turns = new Set();
    /** @type {(() => void)[]} */
    this._waiting = [];
  }

  /**
   * Wait for a turn. Who gave up by `signal` gets one all the same, which is over.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<Turn>}
   */
  async take(signal) {
    while (this._turns.size >= this._most && !signal.aborted) {
      const turns = [...this._turns];
      turns[Math.min(this._waiting.length, turns.length - 1)].yields(this._time);
      await this._place(signal);
    }
    /** @type {Turn} */
    const turn = new Turn(() => {
      signal.removeEventListener("abort", stop);
      this._turns.delete(turn);
      this._waiting.shift()?.();
    });
    const stop = () => turn.stop();
    if (signal.aborted) turn.stop();
    else signal.addEventListener("abort", stop, { once: true });
    this._turns.add(turn);
    return turn;
  }

  /** Until a place is free, or nobody wants it any more. @param {AbortSignal} signal */
  async _place(signal) {
    /** @type {() => void} */
    let go = () => {};
    const free = new Promise((resolve) => (go = () => resolve(undefined)));
    this._waiting.push(go);
    signal.addEventListener("abort", go);
    await free;
    signal.removeEventListener("abort", go);
    this._waiting = this._waiting.filter((other) => other !== go);
  }
}
