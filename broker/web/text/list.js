/** The words of the list of runs. */

import { number } from "../core/format.js";

/** @param {number} n @param {string} one @param {string} [more] */
const counted = (n, one, more = `${one}s`) => `${number(n)} ${n === 1 ? one : more}`;

export const list = {
  title: "Runs",
  label: "Runs",
  search: {
    label: "Search runs",
    placeholder: "Search, for instance status:failed label.team:data age<1d",
    help: "How to search",
    sort: "Order",
    sorts: /** @type {Record<string, string>} */ ({
      "-began_at": "Newest first", began_at: "Oldest first", "-updated_at": "Changed last", "-ended_at": "Ended last",
      "-duration": "Took longest", name: "Name", pipeline: "Pipeline", status: "Status",
    }),
    intro: "All terms hold. Words are found in ids, names, pipelines and labels; parts of words count.",
    syntax: [
      ["status:failed,lost", "one of these: queued, running, paused, completed, failed, cancelled, lost"],
      ["pipeline:import", "runs of a pipeline; again for one more"],
      ["label.team:data", "runs with this label, exactly; again for one more, both hold"],
      ["age<1d", "began less than a day ago; age>2h: more than two hours ago (s, m, h, d, w)"],
      ["parent:r1", "runs that this run started"],
      ["\"nightly import\"", "quotes keep spaces in a value, and make a word of what has a colon"],
      ["label.\"my team\":x", "and in the name of a label; two quotes in quotes are one"],
    ],
    left: "Left out:",
    /** @type {Record<import("../pages/list/search.js").Fault, (term: string, key: string) => string>} */
    faults: {
      key: (term, key) => `${key}: is no filter. Write label.${term} for a label, or "${term.replaceAll('"', "")}" to look for the text`,
      status: () => "status: takes queued, running, paused, completed, failed, cancelled or lost, with commas",
      empty: (_, key) => `${key}: needs a value`,
      age: () => "age takes < or >, a number and s, m, h, d or w: age<1d",
      label: () => "a label needs its name: label.team:data",
      long: () => "a value has 512 characters at most",
      words: () => "8 words at most",
      twice: (_, key) => `${key} is said twice: leave one out`,
      span: (term) => `${term}: nothing lies between`,
    },
  },
  cards: {
    label: "Overview",
    running: "Running", queued: "Queued", completed: "Completed", trouble: "Failed, lost",
    /** @param {number} n */
    paused: (n) => (n ? `and ${number(n)} paused` : "now"),
    waiting: "wait to be started",
    /** @param {number} completed @param {number} failed */
    success: (completed, failed) =>
      completed + failed ? `${share(completed, completed + failed)} of those completed or failed` : "none yet",
    /** @param {number} failed @param {number} lost */
    failed: (failed, lost) => `${number(failed)} failed, ${number(lost)} lost`,
  },
  tabs: { label: "Status", all: "All" },
  /** @param {string} why */
  old: (why) => `Not up to date: ${why}`,
  /** @param {number} n */
  matching: (n) => (n === 1 ? "1 run matches" : `${number(n)} runs match`),
  row: {
    /** @param {string} name */
    select: (name) => `Select ${name}`,
    /** @param {string} name */
    open: (name) => `Details of ${name}`,
    /** @param {string} name */
    progress: (name) => `Progress of ${name}`,
    loading: "Loading…",
    gone: "No longer here",
    /** @param {string} term */
    filter: (term) => `Search for ${term}`,
    /** @param {number} n */
    more: (n) => `+${number(n)}`,
    /** @param {number} n */
    unanswered: (n) => `${counted(n, "command")} unanswered`,
    /** @param {number} n */
    attempt: (n) => `attempt ${number(n)}`,
    /** @param {string} since */
    heard: (since) => `Last heard of ${since}`,
    /** @param {string} by */
    cancelledBy: (by) => `Cancelled by ${by}`,
    waits: "Waits to be started",
    noReason: "Failed without a message",
    /** @param {string} left */
    left: (left) => `${left} left`,
    anyMoment: "due any moment",
    overdue: "longer than usual",
    /** @param {string} since */
    updated: (since) => `updated ${since}`,
    /** @param {string} since */
    started: (since) => `started ${since}`,
    /** @param {string} since */
    queued: (since) => `queued ${since}`,
    /** @param {string} since */
    ended: (since) => `ended ${since}`,
    /** @param {string} done @param {string} total @param {string} unit */
    of: (done, total, unit) => `${done} / ${total}${unit && ` ${unit}`}`,
    /** @param {string} done @param {string} total */
    steps: (done, total) => `${done} / ${total} steps`,
  },
  recent: {
    /** @param {string} pipeline @param {string} outcomes @param {string} range */
    said: (pipeline, outcomes, range) => `Last runs of ${pipeline}: ${outcomes}${range && `; ${range}`}`,
    none: "No ended runs yet",
    /** @param {string} from @param {string} to */
    range: (from, to) => (from === to ? from : `${from} to ${to}`),
  },
  details: {
    underWay: "Under way", wasUnderWay: "Under way when it ended", failed: "Failed steps", error: "Error", labels: "Labels",
    run: "Run", pipeline: "Pipeline", parent: "Started by", worker: "Worker", started: "Started", ended: "Ended",
    queued: "Queued", took: "Took", steps: "Steps",
    nothing: "No step is under way.",
    /** @param {number} n */
    more: (n) => `and ${counted(n, "more step", "more steps")}`,
    open: "Open the run", log: "Its log", children: "Runs it started",
    /** @param {Record<string, number>} counts */
    counts: ({ completed = 0, skipped = 0, failed = 0, running = 0, total = 0 }) =>
      [`${number(completed + skipped)} of ${number(total)} done`, running && `${number(running)} under way`,
        failed && `${number(failed)} failed`].filter(Boolean).join(", "),
  },
  pill: {
    /** @param {number} n */
    newer: (n) => `${counted(n, "new run")}`,
    moved: "The list has changed: show",
  },
  select: {
    label: "Selected runs",
    /** @param {number} n */
    chosen: (n) => `${number(n)} selected`,
    /** @param {number} n */
    all: (n) => `Select all ${number(n)}`,
    none: "Clear",
    tooMany: "1,000 runs can be selected at a time: the first 1,000 are. Narrow the search for the others.",
    failed: "The runs could not be selected:",
  },
  commands: {
    cancel: "Cancel", retry: "Retry", pause: "Pause", resume: "Resume",
    /** @param {string} command @param {number} n */
    title: (command, n) => `${command} ${counted(n, "run")}?`,
    cancelling: "Each is told to stop. What it has done stays done; a run that has ended is left as it is.",
    reason: "Reason",
    reasonHint: "shown to whoever looks at these runs",
    back: "Do not",
    /** @param {string} command @param {number} n */
    confirm: (command, n) => `${command} ${counted(n, "run")}`,
    /** @param {string} command */
    sending: (command) => `${command}: sending…`,
    /** @param {string} command @param {number} accepted @param {number} refused */
    result: (command, accepted, refused) =>
      `${command}: ${number(accepted)} told${refused ? `, ${number(refused)} refused` : ""}`,
    resultTitle: "What came of it",
    refusedRuns: "Refused",
    /** @param {string} command @param {string} why */
    failed: (command, why) => `${command} failed: ${why}`,
    /** @param {number} n */
    selectRefused: (n) => `Select the ${counted(n, "refused run")}`,
    done: "Done",
  },
  empty: {
    none: {
      title: "No runs yet",
      detail: "A run is there as soon as its first event is. Send one:",
      or: "or have some to look at, from the command line:",
      demo: "progress-broker demo",
    },
    nothing: { title: "Nothing matches", detail: "No run passes every part of the search.", clear: "Show all runs" },
    building: { title: "The list is being made", detail: "The gateway has just started and still reads its runs. This page shows them as soon as it can." },
    failed: { title: "The list cannot be shown" },
  },
  keys: {
    of: "The list of runs", search: "Search", next: "Next run", previous: "Previous run", open: "Open the run",
    select: "Select, or not", expand: "Show or hide details", clear: "Clear the selection",
  },
};

/** @param {number} part @param {number} whole */
function share(part, whole) {
  const percent = (part / whole) * 100;
  return `${percent > 99 && percent < 100 ? 99 : percent > 0 && percent < 1 ? 1 : Math.round(percent)} %`;
}
