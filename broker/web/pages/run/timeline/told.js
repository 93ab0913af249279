/**
 * What the timeline draws beside the state: earlier attempts of steps, and earlier pauses. The state
 * tells only that there were some; the run's events, which are read then, tell when.
 */

import { useEffect, useRef, useState } from "../../../vendor/preact.js";
import { encoded, lines } from "../../../core/api.js";
import { Reader } from "./reader.js";

/** Events of a run that are read at most. */
const MOST = 200_000;

/**
 * @typedef {object} Past
 * @property {import("./reader.js").Told | undefined} told nothing while nothing is known
 * @property {"whole" | "failed" | "cut" | "gone"} standing how far the events were read: `cut`, the
 *   first MOST; `gone`, those that are still kept
 * @property {() => void} again reads them again
 */

/**
 * @param {string} run
 * @param {any} state
 * @returns {Past}
 */
export function usePast(run, state) {
  const [standing, setStanding] = useState(/** @type {Past["standing"]} */ ("whole"));
  const [tried, setTried] = useState(0);
  const [, seen] = useState(0);
  const held = useRef(/** @type {{run: string, reader: Reader} | null} */ (null));
  const retried = changesOf(state.steps);
  // Something that differs when there is more to be read.
  const key = retried || state.paused_seconds ? [state.attempt, retried, state.paused_seconds, tried].join(" ") : "";
  useEffect(() => {
    if (!key) return;
    if (held.current?.run !== run) held.current = { run, reader: new Reader() };
    const { reader } = held.current;
    const least = state.events;
    const ending = new AbortController();
    read(run, reader, ending.signal).then(
      () => {
        setStanding(reader.count > MOST ? "cut" : reader.count < least ? "gone" : "whole");
        seen((n) => n + 1);
      },
      () => ending.signal.aborted || setStanding("failed"));
    return () => ending.abort();
  }, [run, key]);
  return {
    told: key && held.current?.run === run ? held.current.reader.of(state.attempt) : undefined,
    standing: key ? standing : "whole",
    again: () => setTried(tried + 1),
  };
}

/**
 * Read on from where a reader stands.
 *
 * @param {string} run
 * @param {Reader} reader
 * @param {AbortSignal} signal
 */
async function read(run, reader, signal) {
  const after = reader.cursor && `?after=${encodeURIComponent(reader.cursor)}`;
  for await (const events of lines(`/v1/runs/${encoded(run)}/events${after}`, signal)) {
    if (signal.aborted) return;
    for (const event of events) reader.take(event);
    if (reader.count > MOST) return;
  }
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
