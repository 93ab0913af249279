/**
 * Text for terminals as pieces of text with a look (ECMA-48, SGR). Colours, weight and the like are
 * kept, every other command is left out, and of a line that was written over (`\r`) the last is
 * shown, as a terminal does. Pure.
 */

/**
 * @typedef {object} Look
 * @property {string} [color] a number of the palette (0 to 255), or `#rrggbb`
 * @property {string} [background]
 * @property {boolean} [bold]
 * @property {boolean} [dim]
 * @property {boolean} [italic]
 * @property {boolean} [underline]
 * @property {boolean} [inverse]
 */
/** @typedef {{text: string, look: Look}} Piece */

/** Commands (CSI, OSC and other strings, two-character ones), then stray control characters. */
const COMMAND =
  // eslint-disable-next-line no-control-regex
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_]|[\x90\x9d\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * @param {string} text of one line
 * @returns {Piece[]}
 */
export function pieces(text) {
  const shown = overwritten(text);
  if (!MAYBE.test(shown)) return [{ text: shown, look: {} }];
  /** @type {Piece[]} */
  const found = [];
  /** @type {Look} */
  let look = {};
  let from = 0;
  for (const match of shown.matchAll(COMMAND)) {
    if (match.index > from) found.push({ text: shown.slice(from, match.index), look });
    from = match.index + match[0].length;
    if (match[2] === "m") look = changed(look, match[1]);
  }
  if (from < shown.length) found.push({ text: shown.slice(from), look });
  return found;
}

/** The text alone. @param {string} text */
export const plain = (text) => pieces(text).map((piece) => piece.text).join("");

// eslint-disable-next-line no-control-regex
const MAYBE = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** @param {string} text */
function overwritten(text) {
  const line = text.replace(/[\r\n]+$/, "");
  return line.includes("\r") ? line.slice(line.lastIndexOf("\r") + 1) : line;
}

/**
 * @param {Look} look
 * @param {string} codes
 * @returns {Look}
 */
function changed(look, codes) {
  const numbers = codes.split(/[;:]/).map(Number);
  let next = { ...look };
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i];
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 22) next.bold = next.dim = undefined;
    else if (code === 23) next.italic = undefined;
    else if (code === 24) next.underline = undefined;
    else if (code === 27) next.inverse = undefined;
    else if (code === 39) next.color = undefined;
    else if (code === 49) next.background = undefined;
    else if (code >= 30 && code <= 37) next.color = String(code - 30);
    else if (code >= 90 && code <= 97) next.color = String(code - 82);
    else if (code >= 40 && code <= 47) next.background = String(code - 40);
    else if (code >= 100 && code <= 107) next.background = String(code - 92);
    else if (code === 38 || code === 48) {
      const [color, taken] = extended(numbers, i + 1);
      if (color !== null) next[code === 38 ? "color" : "background"] = color;
      i += taken;
    }
  }
  return next;
}

/**
 * A colour of 256 (`5;n`) or of all (`2;r;g;b`), and how many numbers it took.
 *
 * @param {number[]} numbers
 * @param {number} at
 * @returns {[string | null, number]}
 */
function extended(numbers, at) {
  const byte = (/** @type {number} */ n) => Number.isInteger(n) && n >= 0 && n <= 255;
  if (numbers[at] === 5) return [byte(numbers[at + 1]) ? String(numbers[at + 1]) : null, 2];
  if (numbers[at] !== 2) return [null, 0];
  const parts = numbers.slice(at + 1, at + 4);
  if (parts.length < 3 || !parts.every(byte)) return [null, 4];
  return [`#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`, 4];
}

/**
 * A colour as CSS: the first sixteen are the page's own, so that they can be read on it.
 *
 * @param {string} color
 */
export function css(color) {
  if (color.startsWith("#")) return color;
  const n = Number(color);
  if (n < 16) return `var(--ansi-${n})`;
  if (n >= 232) return `rgb(${[0, 0, 0].map(() => 8 + (n - 232) * 10).join(" ")})`;
  const cube = n - 16;
  const level = (/** @type {number} */ v) => (v === 0 ? 0 : 55 + v * 40);
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
