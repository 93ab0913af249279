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
  notFound: { title: "There is no such page", detail: "The address leads nowhere here." },
  broken: { title: "This page could not be shown", detail: "Something in it failed:" },
  status: {
    queued: "Queued", running: "Running", paused: "Paused", completed: "Completed",
    failed: "Failed", cancelled: "Cancelled", lost: "Lost", pending: "Pending",
    retrying: "Retrying", skipped: "Skipped", unknown: "Unknown",
  },
  connection: {
    connecting: "Connecting…",
    open: "Live",
    /** @param {string} since @param {number} seconds */
    lost: (since, seconds) =>
      `Connection lost ${since}. What you see is from then. ` +
      (seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"),
    /** @param {string} reason */
    refused: (reason) => `The gateway ended the connection: ${reason}.`,
    now: "Try now",
  },
  keys: { general: "Everywhere", help: "Show this panel", home: "All runs", theme: "Change the theme" },
};
