/**
 * Where each line of a log stands, in rows. Unwrapped, a line is a row; wrapped, as many as its
 * characters take in a font of one width. Wide characters make that a guess, which is good enough:
 * lines are laid out one after another, only the scroll bar leans on it.
 */

import { plain } from "../../../core/ansi.js";

export class Heights {
  constructor() {
    /** Rows before each line, and after the last. */
    this._before = new Float64Array(1024);
    this._count = 0;
    this._columns = 0;
    /** @type {import("./window.js").Line | undefined} */
    this._first = undefined;
  }

  /** Rows of all lines. */
  get total() {
    return this._before[this._count];
  }

  /**
   * Take in what the lines are now: more at the end cost only themselves.
   *
   * @param {import("./window.js").Line[]} lines
   * @param {number} columns characters of a row; 0 where lines are not wrapped
   */
  measure(lines, columns) {
    if (columns !== this._columns || lines[0] !== this._first || lines.length < this._count) this._count = 0;
    this._columns = columns;
    this._first = lines[0];
    if (lines.length >= this._before.length) {
      const more = new Float64Array(Math.max(lines.length + 1, this._before.length * 2));
      more.set(this._before);
      this._before = more;
    }
    for (; this._count < lines.length; this._count++)
      this._before[this._count + 1] = this._before[this._count] + rows(lines[this._count].text, columns);
  }

  /** Rows before a line. @param {number} index */
  before(index) {
    return this._before[Math.max(0, Math.min(index, this._count))];
  }

  /** The line that a row belongs to. @param {number} row */
  at(row) {
    let low = 0;
    let high = Math.max(0, this._count - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this._before[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * @param {string} text
 * @param {number} columns
 */
function rows(text, columns) {
  if (!columns || text.length <= columns) return 1;
  return Math.max(1, Math.ceil(plain(text).length / columns));
}
