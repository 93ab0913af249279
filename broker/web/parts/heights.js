/** Where the rows of a list begin, of which all but a few have one height. Pure; in pixels. */

export class Heights {
  /**
   * @param {number} count of rows
   * @param {number} height of a row
   * @param {readonly (readonly [number, number])[]} [taller] rows in order, each with what it has more
   */
  constructor(count, height, taller = []) {
    this.count = count;
    this._height = height;
    this._taller = taller.filter(([index]) => index < count);
  }

  /** Of all rows together. */
  get total() {
    return this.top(this.count);
  }

  /** What the rows before one have more than others. @param {number} index */
  more(index) {
    return this._taller.reduce((sum, [other, by]) => (other < index ? sum + by : sum), 0);
  }

  /** Where a row begins. @param {number} index */
  top(index) {
    return index * this._height + this.more(index);
  }

  /** The row at a place. @param {number} place */
  at(place) {
    let before = 0;
    for (const [index, by] of this._taller) {
      const top = index * this._height + before;
      if (place < top + this._height + by)
        return place < top ? Math.floor((place - before) / this._height) : index;
      before += by;
    }
    return Math.max(0, Math.floor((place - before) / this._height));
  }
}
