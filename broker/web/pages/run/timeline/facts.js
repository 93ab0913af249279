/** A lane in words: for who does not see it, for the line below it, and for the table. */

import { duration } from "../../../core/format.js";
import { wordFor } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { nameOf } from "../times.js";
import { sinceText } from "./scale.js";

/**
 * @typedef {object} LaneFacts
 * @property {string} name
 * @property {string} status
 * @property {string} start since the run began; empty where it has not begun
 * @property {string} waited empty where it did not, or nobody knows
 * @property {string} took empty where it has not begun
 * @property {string} paused how much of that it was paused; empty where it was not
 * @property {number} attempts
 */

/**
 * @param {import("./lanes.js").Lane} lane
 * @param {import("./lanes.js").Segment[]} segments
 * @param {number} start milliseconds
 * @returns {LaneFacts}
 */
export function factsOf(lane, segments, start) {
  /** @param {(segment: import("./lanes.js").Segment) => boolean} is */
  const sum = (is) => segments.filter(is).reduce((all, { from, to }) => all + to - from, 0) / 1000;
  const work = segments.find(({ kind }) => kind === "work" || kind === "try");
  const waited = sum(({ kind }) => kind === "waiting");
  const paused = sum(({ kind }) => kind === "paused");
  return {
    name: lane.kind === "run" ? lane.id : nameOf(lane.id, lane.step),
    status: wordFor(lane.step.status),
    start: work ? sinceText(work.from - start) : "",
    waited: waited > 0 ? duration(waited) : "",
    took: work ? duration(sum(({ kind, rests }) => kind !== "waiting" && !rests)) : "",
    paused: paused > 0 ? duration(paused) : "",
    attempts: lane.kind === "run" ? 1 : lane.step.attempt ?? 1,
  };
}

/** @param {LaneFacts} facts @param {boolean} active */
export function inWords({ status, start, waited, took, paused, attempts }, active) {
  const words = text.timeline;
  return [
    status,
    start ? `${words.started} ${start}` : words.notStarted,
    waited && `${words.waited} ${waited}`,
    took && `${active ? words.running : words.took} ${took}`,
    paused && `${words.paused} ${paused}`,
    attempts > 1 && words.tries(attempts),
  ].filter(Boolean).join(" · ");
}
