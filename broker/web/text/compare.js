/** The words of the comparison of two runs. */

export const compare = {
  title: "Compare two runs",
  a: "First run",
  b: "Second run",
  go: "Compare",
  swap: "Swap",
  choose: "Name two runs by their ids to see, step by step, where they differ.",
  last: "Last runs of this pipeline",
  /** @param {string} run @param {string} why */
  refused: (run, why) => `${run}: ${why}`,
  step: "Step",
  difference: "Difference",
  whole: "The whole run",
  only: { a: "Only in the first", b: "Only in the second" },
  sort: "Order",
  sorts: { plan: "As planned", slower: "Largest difference first", status: "Different outcome first" },
  steps: "Steps of both runs",
  labels: "Labels and metadata that differ",
  none: "Neither run has steps.",
  same: "Nothing differs.",
  /** @param {string} by */
  slower: (by) => `${by} slower`,
  /** @param {string} by */
  faster: (by) => `${by} faster`,
  equal: "as long",
  /** @param {string} slower what is sure by now, while one still goes on */
  atLeast: (slower) => `≥ ${slower}`,
  /** @type {Record<string, string>} */
  standing: { waiting: "not started", going: "so far", rest: "paused", open: "no end" },
};
