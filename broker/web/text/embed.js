/** The words of the elements for other pages. */

export const embed = {
  lost: "Connection lost.",
  last: "This is how it last stood.",
  waiting: "Waiting for news…",
  nothing: "Nothing runs.",
  noServer: "The attribute “server” names no gateway.",
  hidden: "The gateway does not show this.",
  refused: "The gateway ended the connection.",
  noRun: "This element needs the attribute “run”.",
  noLines: "Nothing is logged yet.",
  steps: "Steps",
  log: "Log",
  runs: "Runs",
  /** @param {string} range */
  left: (range) => `about ${range} left`,
};
