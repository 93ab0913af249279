/** How far a step is. Pure. */

const MILLION = 1_000_000;

/**
 * How much of a step is done, 0 to 1, and 1 only of one that is; nothing where nobody knows.
 *
 * @param {any} step
 */
export function fractionOf(step) {
  if (step.status === "completed" || step.status === "skipped") return 1;
  if (step.ppm) return Math.min(step.ppm, MILLION - 1) / MILLION;
  return step.status === "pending" || step.total > 0 ? 0 : undefined;
}
