/** The words of the events of a run, and of its past. */

import { number } from "../core/format.js";

export const events = {
  title: "Events",
  scrub: "Moment that is shown",
  now: "Now",
  play: "Play",
  stop: "Stop",
  step: { back: "One event back", forward: "One event forward" },
  search: "Find in the events",
  type: "Kind of event",
  every: "Every kind",
  none: "No event is like that.",
  loading: "Reading the events…",
  /** @param {number} n @param {number} of */
  count: (n, of) => `${n === of ? "" : `${number(n)} of `}${number(of)} ${of === 1 ? "event" : "events"}`,
  /** @param {number} place @param {number} of @param {string} type */
  place: (place, of, type) => `${place} of ${of}: ${type}`,
  /** @param {string} name */
  by: (name) => `by ${name}`,
  /** @param {number} n */
  planned: (n) => `${n} ${n === 1 ? "step" : "steps"} planned`,
  raw: "As it was stored",
  changed: "What it changed",
  nothing: "It changed nothing that is shown.",
  notKept: "What it changed can be told once the history is read.",
  copyLink: "Copy a link to this moment",
  shorter: (/** @type {number} */ n) => `The newest ${number(n)} events are shown.`,
  /** @param {string} why */
  refused: (why) => `The events could not be read: ${why}`,
  compare: "Compare with another run",
  keys: { title: "Events", back: "One event back", forward: "One event forward", now: "Back to now", play: "Play the past" },
};
