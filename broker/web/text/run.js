/** The words of a run's page. */

export const text = {
  keys: {
    page: "This run", steps: "Steps", cancel: "Cancel", pause: "Pause, or resume", retry: "Retry", share: "Share",
    filter: "Filter the steps", nextFailed: "Next step that failed", close: "Close the details of a step",
  },
  /** @type {Record<string, string>} */
  tabs: {
    label: "Parts of the run", steps: "Steps", timeline: "Timeline", graph: "Graph", logs: "Logs",
    artefacts: "Artefacts", events: "Events",
  },
  unknown: {
    title: "Not known yet; watching",
    /** @param {string} run */
    detail: (run) =>
      `There is no event of ${run}. It may not have begun, or it ended long ago and is not kept any more. ` +
      "As soon as its first event comes, it stands here.",
    loading: "Asking for the run…",
    refused: "The run cannot be shown",
    gone: "This run is not kept any more. What you see is the last that was known here.",
    noAttempt: "This attempt cannot be shown",
    noPast: "This moment cannot be shown",
    latest: "Show what is now",
  },
  past: {
    /** @param {string} time */
    moment: (time) => `You see the past: ${time}`,
    /** @param {number} n @param {number | undefined} last */
    attempt: (n, last) => `You see attempt ${n}${last ? ` of ${last}` : ""}, which is over`,
    back: "Back to now",
    latest: "Back to the latest attempt",
    now: "You see what is now",
  },
  facts: {
    elapsed: "Elapsed", eta: "Ends", updated: "Updated", queued: "Waiting", worker: "Worker", attempt: "Attempt",
    copyId: "Copy the run's id",
    unknownEta: "Unknown",
    /** @param {string} range */
    within: (range) => `in ${range}`,
    moment: "any moment",
    /** @param {string} range */
    upTo: (range) => `any moment, or in ${range}`,
    overdue: "longer than usual",
    /** @param {string} by */
    cancelledBy: (by) => `Cancelled by ${by}`,
    /** @type {Record<string, string>} */
    basis: {
      history: "Judged by the last runs of this pipeline", rate: "Judged by its own pace",
      "history+rate": "Judged by the last runs of this pipeline and its own pace",
    },
    /** @param {number} n @param {string} status */
    attemptOf: (n, status) => `${n} – ${status}`,
    /** @param {number} n */
    attemptNow: (n) => `${n} – latest`,
  },
  ahead: {
    clock: "clock ahead",
    /** @param {string} time @param {string} to */
    why: (time, to) => `the clock that told it said ${time}, which is ${to}`,
  },
  problem: {
    title: "Why it failed", unnamed: "It failed and did not say why.", stack: "Stack", details: "Details",
    /** @type {Record<string, string>} */
    kinds: {
      application: "Fault of the application", infrastructure: "Fault of the infrastructure",
      timeout: "It took too long", dependency: "Something it depends on failed",
    },
    retryable: "Worth another try", notRetryable: "Another try will not help",
    steps: "Steps that failed",
    /** @param {number} n */
    more: (n) => `and ${n} more`,
  },
  silence: {
    /** @param {string} time */
    lost: (time) => `No sign of life from its producer for ${time}`,
    /** @param {string} was @param {string} interval */
    lostDetail: (was, interval) => `It was ${was}, and promised a sign every ${interval}. It comes back by itself if it is heard of.`,
    /** @param {string} time @param {string} interval */
    quiet: (time, interval) => `Its producer has been silent for ${time}; it promised a sign every ${interval}`,
  },
  paused: {
    /** @param {string} time */
    since: (time) => `Paused for ${time}`,
  },
  commands: {
    cancel: "Cancel", retry: "Retry", pause: "Pause", resume: "Resume",
    /** @type {Record<string, string>} */
    title: { cancel: "Cancel this run?", retry: "Run it again?", pause: "Pause this run?", resume: "Let this run go on?" },
    /** @type {Record<string, string>} */
    detail: {
      cancel: "Its producer is asked to stop. What it has done so far stays.",
      retry: "A new attempt is queued under the same id; what this attempt left stays to be seen.",
      pause: "Its producer is asked to pause at its next checkpoint.",
      resume: "Its producer is asked to go on.",
    },
    reason: "Reason (optional)", by: "Your name (optional)", no: "Leave it",
    /** @type {Record<string, string>} */
    yes: { cancel: "Cancel the run", retry: "Run it again", pause: "Pause it", resume: "Let it go on" },
    /** @param {string} command */
    sent: (command) => `${command}: asked`,
    why: {
      old: "You see the past", ended: "It has ended already", notCancellable: "Its producer cannot be cancelled",
      noPipeline: "It names no pipeline, so no worker can be asked to run it again", alive: "It has not ended",
      queued: "It has not started",
    },
    label: "What was asked of this run",
    /** @type {Record<string, string>} */
    name: { cancel: "Cancel", retry: "Retry", pause: "Pause", resume: "Resume" },
    /** @param {string} by */
    byWhom: (by) => `by ${by}`,
    asked: "asked",
    /** @param {string} time */
    unanswered: (time) => `not answered for ${time}`,
    notYet: "not answered yet",
    never: "never answered",
    /** @type {Record<string, string>} */
    result: { accepted: "accepted by the producer", rejected: "rejected by the producer", ignored: "ignored" },
    /** @type {Record<string, string>} */
    effective: { cancel: "cancelled", retry: "new attempt", pause: "paused", resume: "running" },
    waiting: "not in effect yet",
    /** @param {string} status */
    overtaken: (status) => `too late: ${status}`,
    /** @param {number} n */
    earlier: (n) => `${n} earlier`,
  },
  share: {
    title: "Share", link: "Link to what you see", page: "Page to share, read-only", badge: "Badge, as Markdown",
  },
  bell: {
    on: "You will be told when it ends", off: "Tell me when it ends",
    denied: "The browser does not let this page notify you: allow it in the site's settings",
    missing: "This browser cannot notify you here",
  },
  overall: {
    label: "Progress of the run", unknown: "How much there is to do is not known",
    /** @param {string} done @param {string} total */
    of: (done, total) => `${done} of ${total}`,
    /** @param {string} done @param {string} total */
    atLeast: (done, total) => `${done} of at least ${total}`,
    /** @param {string} total @param {number} n */
    steps: (total, n) => `${total} ${n === 1 ? "step" : "steps"}`,
  },
  milestones: {
    started: "The run has started",
    /** @param {number} percent */
    reached: (percent) => `${percent} percent`,
    /** @param {string} step @param {string} status */
    step: (step, status) => `Step ${step}: ${status}`,
    completed: "The run is completed", cancelled: "The run was cancelled", paused: "The run is paused",
    /** @param {string} why */
    failed: (why) => `The run failed: ${why}`,
    lost: "The run's producer is lost", found: "The run's producer is heard of again", goesOn: "The run goes on",
    /** @param {number} n @param {string} status */
    next: (n, status) => `Attempt ${n}: ${status}`,
  },
  steps: {
    label: "Steps", none: "No step is known yet.", noneAtAll: "This run has no steps.", filter: "Filter steps",
    /** @type {Record<string, string>} */
    sections: { failed: "Failed", running: "Running", paused: "Paused", open: "Without an end", pending: "Pending", done: "Done", groups: "Counted groups" },
    /** @param {number} n */
    found: (n) => (n === 1 ? "1 step" : `${n.toLocaleString("en")} steps`),
    nothing: "No step fits the filter.",
    attempt: "attempt",
    /** @param {string} child @param {string} whole */
    children: (child, whole) => `${child} of ${whole} done`,
    /** @param {number} n */
    failedChildren: (n) => `${n} failed`,
    fold: "Fold", unfold: "Unfold", close: "Close",
    logs: "Its log lines", outputs: "Outputs", metadata: "Metadata", started: "Started", ended: "Ended",
    took: "Took", waits: "Waits for", index: "Place", id: "Id", parent: "Part of", earlier: "Why an earlier attempt failed", cached: "An earlier result stood for it",
    /** @param {number} n */
    truncated: (n) => `${n} more steps came than are kept.`,
    gone: "There is no such step in what is shown.",
  },
  timeline: {
    label: "Timeline", run: "The whole run", zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "All of it", now: "Go to now",
    earlier: "Earlier", later: "Later", idle: "Collapse idle time", table: "As a table", chart: "As a chart",
    filter: "Filter lanes", nothing: "No lane fits.", notStarted: "not started", following: "Following now",
    waited: "waited", started: "started", took: "took", running: "running for", paused: "paused",
    /** @type {Record<string, string>} Why what is drawn may be less than what was. */
    past: {
      failed: "Earlier pauses and attempts are not drawn: the events of the run could not be read.",
      cut: "Earlier pauses and attempts are drawn from the first 200,000 events of the run.",
      gone: "Pauses and attempts of long ago are not drawn: the first events of the run are not kept any more.",
    },
    ahead: "The clock of its producer is ahead of the gateway's: how long it has run cannot be told.",
    show: "Show", all: "All lanes", begun: "Begun lanes", failed: "Failed lanes", active: "Running lanes",
    columns: { step: "Step", status: "Status", start: "Start", waited: "Waited", took: "Took", attempts: "Attempts", paused: "Paused" },
    hint: "Arrow keys walk the lanes, with Shift they move in time; + and − zoom, 0 shows all of it, Enter shows a step.",
    touch: "A tap shows a step, a drag moves in time, two fingers zoom.",
    none: "Nothing has begun yet.",
    /** @param {number} n */
    tries: (n) => `${n} attempts`,
  },
  graph: {
    label: "Which step waits for which", zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "Fit", active: "To what runs",
    /** @param {number} n */
    tooMany: (n) => `${n} steps are too many to draw. The list of steps says for each what it waits for.`,
    list: "To the list", hint: "Arrow keys walk along the arrows, + and − zoom, Enter shows a step.",
  },
  artefacts: {
    artefacts: "Artefacts", outputs: "Outputs", metadata: "Metadata", labels: "Labels", parent: "Started by",
    children: "Runs it started", resources: "Resources", of: "About the run", none: "None", retryOf: "Another try of",
    step: "in step",
    /** @param {number} n */
    truncated: (n) => `${n} more were not kept.`,
  },
  tree: {
    /** @param {number} n */
    members: (n) => (n === 1 ? "1 member" : `${n} members`),
    /** @param {number} n */
    items: (n) => (n === 1 ? "1 item" : `${n} items`),
    /** @param {number} n */
    more: (n) => `${n} more`,
    expand: "Show all of it", clip: "Show less",
  },
};
