/** Lanes drawn on a canvas: thousands of shapes that need no life of their own. */

/** Pixels of the shapes in a lane. */
const THICK = 14;
const THIN = 6;
/** Pixels that a shape has at least, so that what was short is seen. */
const LEAST = 2;

const FONT = "600 11px system-ui, sans-serif";

const STATUSES = ["queued", "running", "retrying", "paused", "completed", "failed", "cancelled", "skipped", "pending", "lost"];

/** @typedef {Record<string, string>} Colours */

/** The colours of the page's theme. @param {Element} element @returns {Colours} */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  /** @param {string} name */
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries([...STATUSES, "line", "text", "muted", "surface", "accent", "accent-soft", "sunken"]
    .map((name) => [name, value(name)]));
}

/**
 * @typedef {object} Drawn
 * @property {{lane: import("./lanes.js").Lane, segments: import("./lanes.js").Segment[], chosen: boolean}[]} lanes those in sight
 * @property {number} lane pixels of a lane
 * @property {number} top pixels from the top of the canvas to the first of them
 * @property {number} width pixels of the canvas
 * @property {number} height
 * @property {(time: number) => number} x where a time is, in pixels
 * @property {number[]} marks where lines go from top to bottom
 * @property {{from: number, to: number}[]} gaps what was left out
 * @property {number | null} now where the present is
 * @property {Colours} colours
 */

/** @param {HTMLCanvasElement} canvas @param {Drawn} drawn */
export function paint(canvas, { lanes, lane: tall, top, width, height, x, marks, gaps, now, colours }) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const draw = canvas.getContext("2d");
  if (!draw) return;
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, width, height);
  draw.font = FONT;
  draw.textBaseline = "middle";
  draw.fillStyle = colours.line;
  for (const mark of marks) draw.fillRect(Math.round(mark), 0, 1, height);
  for (const { from, to } of gaps) stripes(draw, from, 0, Math.max(LEAST, to - from), height, colours.muted, 0.28);
  let y = top;
  for (const { lane, segments, chosen } of lanes) {
    if (chosen) {
      draw.fillStyle = colours["accent-soft"];
      draw.globalAlpha = 0.7;
      draw.fillRect(0, y, width, tall);
      draw.globalAlpha = 1;
    }
    for (const segment of segments) shape(draw, lane, segment, y + tall / 2, x, width, colours);
    y += tall;
  }
  if (now !== null) {
    draw.fillStyle = colours.accent;
    draw.fillRect(Math.round(now) - 1, 0, 1.5, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} draw
 * @param {import("./lanes.js").Lane} lane
 * @param {import("./lanes.js").Segment} segment
 * @param {number} middle pixels from the top
 * @param {(time: number) => number} x
 * @param {number} width
 * @param {Colours} colours
 */
function shape(draw, lane, segment, middle, x, width, colours) {
  const from = x(segment.from);
  const to = x(segment.to);
  if (to < -LEAST || from > width) return;
  const left = Math.max(-4, from);
  const long = Math.max(LEAST, Math.min(width + 4, to) - left);
  const { kind } = segment;
  const thick = lane.open !== undefined || (kind === "paused" && lane.kind === "step") ? THIN : THICK;
  const above = middle - thick / 2;
  if (kind === "waiting") {
    stripes(draw, left, middle - THIN / 2, long, THIN, colours.pending, 0.75);
    return;
  }
  const colour = kind === "try" ? colours.failed : kind === "paused" ? colours.paused
    : colours[lane.step.status === "paused" ? "running" : lane.step.status] ?? colours.muted;
  draw.fillStyle = colour;
  if (kind === "try") {
    draw.globalAlpha = 0.3;
    box(draw, left, above, long, thick);
    draw.globalAlpha = 1;
    draw.strokeStyle = colour;
    draw.strokeRect(left + 0.5, above + 0.5, Math.max(1, long - 1), thick - 1);
  } else box(draw, left, above, long, thick);
  if (segment.number !== undefined && long > 18) {
    draw.fillStyle = kind === "try" ? colours.text : colours.surface;
    draw.fillText(String(segment.number), left + 6, above + thick / 2 + 0.5);
  }
}

/** @param {CanvasRenderingContext2D} draw @param {number} x @param {number} y @param {number} w @param {number} h */
function box(draw, x, y, w, h) {
  if (w < 6) {
    draw.fillRect(x, y, w, h);
    return;
  }
  draw.beginPath();
  draw.roundRect(x, y, w, h, 3);
  draw.fill();
}

/**
 * Slanted lines, which mean that nothing is done there.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {number} x
 * @param {number} y
 * @param {number} w
 * @param {number} h
 * @param {string} colour
 * @param {number} alpha
 */
function stripes(draw, x, y, w, h, colour, alpha) {
  draw.save();
  draw.beginPath();
  draw.rect(x, y, w, h);
  draw.clip();
  draw.globalAlpha = alpha;
  draw.strokeStyle = colour;
  draw.lineWidth = 1.5;
  draw.beginPath();
  for (let at = x - (x % 6) - h; at < x + w; at += 6) {
    draw.moveTo(at, y + h);
    draw.lineTo(at + h, y);
  }
  draw.stroke();
  draw.restore();
}
