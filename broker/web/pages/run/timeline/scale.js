/**
 * How times become places. Where idle time is left out, a place is not a time any more: times that
 * are worked in keep their length, and each gap between them shrinks to the same little one.
 */

/** A gap is left out where it is longer than this share of the time that is worked in. */
const GAP = 0.04;
/** What is left of a gap, as a share of the same. */
const LEFT = 0.02;
const SHORTEST = 1_000;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
];

/** @typedef {{from: number, to: number, at: number, length: number}} Piece times, and the places they take */

export class Scale {
  /** @param {Piece[]} pieces in order, without holes */
  constructor(pieces) {
    this.pieces = pieces;
    const last = pieces[pieces.length - 1];
    this.start = pieces[0].from;
    this.end = last.at + last.length;
  }

  /** The place of a time. @param {number} time */
  place(time) {
    const { from, to, at, length } = this._find((piece) => time <= piece.to);
    return at + ((time - from) / (to - from)) * length;
  }

  /** The time at a place. @param {number} place */
  time(place) {
    const { from, to, at, length } = this._find((piece) => place <= piece.at + piece.length);
    return from + ((place - at) / length) * (to - from);
  }

  /** What was left out, as places. */
  get gaps() {
    return this.pieces.filter(({ from, to, length }) => length < to - from);
  }

  /** @param {(piece: Piece) => boolean} reaches */
  _find(reaches) {
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reaches(this.pieces[middle])) high = middle;
      else low = middle + 1;
    }
    return this.pieces[low];
  }
}

/** Every time at its place. @param {number} start @param {number} end */
export function straight(start, end) {
  return new Scale([{ from: start, to: end, at: start, length: end - start }]);
}

/**
 * Idle times left out.
 *
 * @param {number} start
 * @param {number} end
 * @param {[number, number][]} worked from and to, in any order
 */
export function folding(start, end, worked) {
  const busy = united(worked.filter(([from, to]) => to >= from));
  const length = busy.reduce((sum, [from, to]) => sum + to - from, 0);
  const shortest = Math.max(SHORTEST, length * GAP);
  const left = Math.max(1, Math.min(shortest, length * LEFT));
  /** @type {Piece[]} */
  const pieces = [];
  let at = start;
  let reached = start;
  /** @param {number} to @param {number} long */
  const add = (to, long) => {
    if (to <= reached) return;
    pieces.push({ from: reached, to, at, length: long });
    at += long;
    reached = to;
  };
  for (const [from, to] of [...busy, /** @type {[number, number]} */ ([end, end])]) {
    if (from - reached > shortest) add(from, left);
    add(to, to - reached);
  }
  return pieces.length ? new Scale(pieces) : straight(start, end);
}

/** @param {[number, number][]} spans */
function united(spans) {
  spans.sort((a, b) => a[0] - b[0]);
  /** @type {[number, number][]} */
  const whole = [];
  for (const [from, to] of spans) {
    const last = whole[whole.length - 1];
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else whole.push([from, to]);
  }
  return whole;
}

/**
 * Round times to write below the lanes, at most one per `apart` places.
 *
 * @param {Scale} scale
 * @param {number} from the first place in sight
 * @param {number} to the last
 * @param {number} apart
 * @returns {{place: number, label: string}[]}
 */
export function ticks(scale, from, to, apart) {
  const step = STEPS.find((one) => one >= apart) ?? Math.ceil(apart / DAY) * DAY;
  const found = [];
  let last = -Infinity;
  for (const piece of scale.pieces) {
    if (piece.at + piece.length < from || piece.at > to || piece.length < piece.to - piece.from) continue;
    const begin = Math.max(piece.from, piece.from + (from - piece.at)) - scale.start;
    for (let since = Math.ceil(begin / step) * step; since + scale.start <= piece.to; since += step) {
      const place = piece.at + (since + scale.start - piece.from);
      if (place > to) break;
      if (place - last < apart * 0.8) continue;
      last = place;
      found.push({ place, label: sinceText(since, step) });
    }
  }
  return found;
}

/**
 * A time since the beginning: `0:42`, `1:02:05`, `2 d 03:00`; with tenths and less where they matter.
 *
 * @param {number} since milliseconds
 * @param {number} [step] what the times around it differ by
 */
export function sinceText(since, step = SECOND) {
  const whole = Math.floor(since / SECOND);
  const [days, hours, minutes, seconds] = [
    Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const digits = step >= SECOND ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  const fraction = digits ? (since % SECOND / SECOND).toFixed(3).slice(1, 2 + digits) : "";
  if (days) return `${days} d ${pad(hours)}:${pad(minutes)}`;
  return `${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(seconds)}${fraction}`;
}

/** @param {number} n */
const pad = (n) => String(n).padStart(2, "0");
