/** The words that every page uses. All text that a person reads stands in this folder. */

export const common = {
  product: "Progress",
  skip: "Skip to the content",
  home: "All runs",
  loading: "Loading…",
  help: "Keyboard shortcuts",
  close: "Close",
  copy: "Copy",
  copied: "Copied",
  notCopied: "The browser does not let this page copy",
  retry: "Try again",
  theme: { system: "Theme: as the computer", light: "Theme: light", dark: "Theme: dark" },
  notes: "Notes",
  answers: {
    unreachable: "The gateway does not answer.",
    late: "The gateway takes too long to answer.",
    nonsense: "What answers does not speak as a gateway does.",
    cut: "The answer broke off before its end.",
    tooLong: "What was asked for is too long.",
    /** @param {number} status */
    failed: (status) => `The gateway failed to answer (${status}).`,
  },
  notFound: { title: "There is no such page", detail: "The address leads nowhere here." },
  broken: { title: "This page could not be shown", detail: "Something in it failed:" },
  status: {
    queued: "Queued", running: "Running", paused: "Paused", completed: "Completed",
    failed: "Failed", cancelled: "Cancelled", lost: "Lost", pending: "Pending",
    retrying: "Retrying", skipped: "Skipped", unknown: "Unknown",
  },
  connection: {
    label: "Connection",
    connecting: "Connecting…",
    open: "Live",
    /** @param {string} since @param {number} seconds */
    lost: (since, seconds) =>
      `Connection lost ${since}. What you see is from then. ` +
      (seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"),
    /** @type {Record<string, string>} */
    why: { nonsense: "What answers does not speak as a gateway does.", silent: "The gateway does not answer." },
    /** @param {string} reason */
    refused: (reason) => `The gateway ended the connection: ${reason}. What you see is from then. It is not tried again by itself.`,
    /** @type {Record<number, string>} */
    codes: {
      4400: "it could not make sense of what this page asked for",
      4401: "this is not allowed, or not any more",
      4429: "this browser asked for more than is allowed",
    },
    /** @param {number} code */
    code: (code) => `code ${code}`,
    back: "Live again",
    now: "Try now",
  },
  keys: { general: "Everywhere", help: "Show this panel", home: "All runs", theme: "Change the theme" },
};
