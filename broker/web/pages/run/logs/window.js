/**
 * The part of a log that is in the browser: lines without a gap, from somewhere to somewhere. Older
 * ones are read as they come into sight; at the end the lines to come are added live.
 */

import { signal } from "../../../vendor/preact.js";
import { encoded, get } from "../../../core/api.js";
import { watch } from "../../../core/live.js";

/**
 * @typedef {object} Line
 * @property {string} address where it is in the log, for good
 * @property {string} text
 * @property {string} level
 * @property {string} [time]
 * @property {string} [step]
 */
/** @typedef {{level?: string, step?: string, attempt?: string, q?: string}} Chosen */

/** Lines that are kept; while new ones come, the oldest go, and are read again where wanted. */
const MOST = 100_000;
/** Lines that are shown first, and of a page. */
const TAIL = 500;
const PAGE = 1000;
/** Milliseconds between two changes of what is drawn. */
const DRAWN_EVERY = 100;
/** Milliseconds before what could not be read is asked for again. */
const ASKED_AGAIN = 5_000;

export class LogWindow {
  /**
   * @param {string} run
   * @param {Chosen} chosen which lines
   */
  constructor(run, chosen) {
    this._run = run;
    this._chosen = chosen;
    /** @type {Line[]} */
    this._lines = [];
    /** Grows with what is shown; `lines` is the same array, which would hide a change. */
    this.version = signal(0);
    /** Lines that went from the top since the window was made: what was row 7 is row 7 - gone. */
    this.gone = 0;
    this.atBeginning = signal(false);
    this.standing = signal(/** @type {"loading" | "live" | "paged" | "ended" | "refused"} */ ("loading"));
    this.problem = signal(/** @type {Error | null} */ (null));
    this.reading = signal(false);
    this._end = () => {};
    this._timer = 0;
    this._abort = new AbortController();
    this._retry = 0;
    /** Shows again what was wanted last. */
    this.again = () => this.follow();
  }

  get lines() {
    return this._lines;
  }

  /** Show the end, and what is to come. */
  follow() {
    this._begin(() => this.follow());
    this._watch({ tail: TAIL });
  }

  /** Show the beginning; what comes after it is read by `later`. */
  async beginning() {
    this._begin(() => this.beginning());
    this.atBeginning.value = true;
    this.standing.value = "paged";
    await this._page({ limit: String(PAGE) }, (items) => this._lines.push(...items));
  }

  /** Show a line among those around it. @param {string} address */
  async around(address) {
    this._begin(() => this.around(address));
    this.standing.value = "paged";
    const [batch, place] = [address.slice(0, address.lastIndexOf(".")), Number(address.split(".").pop())];
    const behind = place > 0 ? `${batch}.${place - 1}` : null;
    const got = await this._page({ before: address, limit: String(PAGE / 2) }, (items, more) => {
      this._lines.push(...items);
      this.atBeginning.value = !more;
    });
    if (got < 0) return;
    const last = behind ?? this._lines.at(-1)?.address;
    await this._page(last ? { after: last, limit: String(PAGE) } : { limit: String(PAGE) }, (items) =>
      this._lines.push(...items));
  }

  /** Read the lines before the first; gives how many there were. */
  async earlier() {
    const first = this._lines[0]?.address;
    if (!first || this.atBeginning.value || this.reading.value) return 0;
    return this._page({ before: first, limit: String(PAGE) }, (items, more) => {
      this._lines = items.concat(this._lines);
      this.atBeginning.value = !more;
    });
  }

  /** Read the lines after the last; from the end on they come live. */
  async later() {
    const last = this._lines.at(-1)?.address;
    if (!last || this.standing.value !== "paged" || this.reading.value) return;
    const got = await this._page({ after: last, limit: String(PAGE) }, (items) => this._lines.push(...items));
    if (got === 0 && this.standing.value === "paged") this._watch({ cursor: last });
  }

  stop() {
    this._end();
    this._abort.abort();
    clearTimeout(this._timer);
    clearTimeout(this._retry);
  }

  /** @param {() => void} again */
  _begin(again) {
    this.again = again;
    clearTimeout(this._retry);
    this._end();
    this._end = () => {};
    this._abort.abort();
    this._abort = new AbortController();
    this._lines = [];
    this.gone = 0;
    this.atBeginning.value = false;
    this.reading.value = false;
    this.standing.value = "loading";
    this.problem.value = null;
    this._changed();
  }

  /** @param {{tail?: number, cursor?: string}} from */
  _watch(from) {
    const attempt = this._chosen.attempt === undefined ? undefined : Number(this._chosen.attempt);
    const request = { run: this._run, view: "logs", ...this._chosen, attempt, ...from };
    this.standing.value = "live";
    this._end = watch(request, (told) => {
      if (told.type === "hello" || told.type === "log") this.standing.value = "live";
      if (told.type === "hello" && told.data?.resumed === false && told.data.from) this._lines = [];
      else if (told.type === "log") this._lines.push(lineOf(told.data));
      else if (told.type === "end") this.standing.value = "ended";
      else if (told.type === "error") {
        // Where the gateway says when, it is asked again.
        if (told.data?.retry_after == null) this.standing.value = "refused";
        this.problem.value = new Error(told.data?.detail ?? "");
      } else if (told.type !== "hello") return;
      if (told.type !== "error") this.problem.value = null;
      this._changed();
    });
  }

  /**
   * Read a page; gives how many lines it had.
   *
   * @param {Record<string, string>} which
   * @param {(items: Line[], more: boolean) => void} take
   */
  async _page(which, take) {
    const asked = new URLSearchParams({ ...definite(this._chosen), ...which });
    const { signal: aborted } = this._abort;
    this.reading.value = true;
    try {
      const page = await get(`/v1/runs/${encoded(this._run)}/logs?${asked}`, aborted);
      take(page.items.map(lineOf), Boolean(page.previous ?? page.next));
      this.problem.value = null;
      return page.items.length;
    } catch (error) {
      if (!aborted.aborted) this._failed(/** @type {import("../../../core/api.js").Refused} */ (error));
      return -1;
    } finally {
      if (!aborted.aborted) {
        this.reading.value = false;
        this._changed();
      }
    }
  }

  /** @param {import("../../../core/api.js").Refused} error */
  _failed(error) {
    this.problem.value = error;
    if (this._lines.length) return;
    clearTimeout(this._retry);
    this._retry = window.setTimeout(() => this.again(), Math.max(ASKED_AGAIN, (error.retryAfter ?? 0) * 1000));
  }

  _changed() {
    const excess = this._lines.length - MOST;
    if (excess > MOST / 10) {
      this._lines = this._lines.slice(excess);
      this.gone += excess;
      this.atBeginning.value = false;
    }
    this._timer ||= window.setTimeout(() => {
      this._timer = 0;
      this.version.value += 1;
    }, DRAWN_EVERY);
  }
}

/**
 * @param {any} told
 * @returns {Line}
 */
function lineOf(told) {
  const { cursor, place, text, level, time, step } = told;
  return { address: `${cursor}.${place}`, text: String(text), level: level ?? "info", time, step };
}

/**
 * @param {Chosen} chosen
 * @returns {Record<string, string>}
 */
function definite(chosen) {
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
}
