/**
 * What the timeline draws beside the state: earlier attempts of steps, and earlier pauses. The state
 * tells only that there were some; the run's events, which are read then, tell when.
 */

import { useEffect, useMemo, useState } from "../../../vendor/preact.js";
import { encoded, lines } from "../../../core/api.js";
import { epochOf, Reading } from "./reading.js";

/**
 * @typedef {object} Past
 * @property {import("./reader.js").Told | undefined} told nothing while nothing is known
 * @property {Reading["standing"]} standing how far the events were read
 * @property {() => void} again reads them again
 */

/**
 * The reading of the run that was looked at last: who comes back to its timeline reads only what is new.
 *
 * @type {{run: string, reading: Reading} | null}
 */
let last = null;

/** @param {string} run */
function readingOf(run) {
  if (last?.run !== run) {
    const path = `/v1/runs/${encoded(run)}/events`;
    last = { run, reading: new Reading((after, signal) => lines(after ? `${path}?after=${encoded(after)}` : path, signal)) };
  }
  return last.reading;
}

/**
 * @param {string} run
 * @param {any} state
 * @returns {Past}
 */
export function usePast(run, state) {
  const [tried, setTried] = useState(0);
  const [, seen] = useState(0);
  const reading = useMemo(() => readingOf(run), [run]);
  const { attempt, cursor, events, paused_seconds: paused } = state;
  const retried = changesOf(state.steps);
  // Something that differs when there is more to be read.
  const key = retried || paused ? [epochOf(cursor), attempt, retried, paused, tried].join(" ") : "";
  useEffect(() => reading.follow(() => seen((n) => n + 1)), [reading]);
  useEffect(() => {
    if (key) reading.need({ cursor, events });
  }, [reading, key]);
  return {
    told: key ? reading.of(attempt) : undefined,
    standing: key ? reading.standing : "whole",
    again: () => setTried(tried + 1),
  };
}

/**
 * Grows when a step was repeated, or began again.
 *
 * @param {Record<string, any>} steps
 */
function changesOf(steps) {
  let changes = 0;
  for (const id in steps) {
    const { attempt, status } = steps[id];
    if (attempt > 1) changes += attempt * 2 - Number(status === "retrying");
  }
  return changes;
}
