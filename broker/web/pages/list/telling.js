/** What a row says of a run, in words. Pure: `now` is in milliseconds. */

import { ago, called, full, moment, number, percent, range } from "../../core/format.js";
import { ENDED } from "../../parts/status.js";
import { list } from "../../text/list.js";

const words = list.row;

/** What a run is called. @param {any} row */
export const nameOf = (row) => called(row.name, row.run);

/**
 * How long the attempt has taken, in seconds; null where it has not begun. Of a lost run nobody
 * knows more than when it was last heard of.
 *
 * @param {any} row
 * @param {number} now
 */
export function elapsed(row, now) {
  return row.duration ?? since(row.started_at, row, now);
}

/**
 * The same of a step, which is over when its run is.
 *
 * @param {any} step
 * @param {any} row of its run
 * @param {number} now
 */
export const stepElapsed = (step, row, now) => step.duration ?? since(step.started_at, row, now);

/**
 * @param {string | undefined} time
 * @param {any} row
 * @param {number} now
 */
function since(time, { status, ended_at: ended, last_seen: seen }, now) {
  const until = ENDED.has(status) ? moment(ended) : status === "lost" ? moment(seen) : now;
  const seconds = (until - moment(time)) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}

/**
 * When it will end, in words; empty where nobody can say.
 *
 * @param {any} row
 * @param {number} now
 */
export function ending(row, now) {
  const { eta, status } = row;
  if (!eta || status !== "running") return "";
  const from = (moment(eta.p50) - now) / 1000;
  const to = (moment(eta.p90) - now) / 1000;
  if (eta.overdue) return words.overdue;
  if (!(to > 0)) return words.anyMoment;
  return words.left(range(Math.max(0, from), to));
}

/**
 * How far it is, in numbers: of what the run counts itself, else of its steps.
 *
 * @param {any} row
 */
export function amount({ progress = {}, counts = {} }) {
  const { current, total, unit = "", total_final: final } = progress;
  if (current != null && total != null)
    return words.of(number(current), `${final === false ? "≥ " : ""}${number(total)}`, unit);
  if (current != null) return unit ? `${number(current)} ${unit}` : number(current);
  const done = (counts.completed ?? 0) + (counts.skipped ?? 0);
  return counts.total ? words.steps(number(done), number(counts.total)) : "";
}

/** The share that is done; null where nobody knows. @param {any} row */
export function fraction({ status, progress = {} }) {
  if (progress.fraction == null) return status === "completed" ? 1 : null;
  return status === "completed" ? progress.fraction : Math.min(progress.fraction, 0.9999);
}

/** The percentage and the numbers, for who sees no bar. @param {any} row */
export function farAlong(row) {
  const share = fraction(row);
  return [share === null ? "" : percent(share), amount(row)].filter(Boolean).join(", ");
}

/**
 * The line that says most about a run as it stands: why it failed, what it does, what it waits for.
 *
 * @param {any} row
 * @param {number} now
 * @returns {{text: string, kind: "error" | "active" | "plain"}}
 */
export function gist(row, now) {
  const { status, error, active = [], counts = {}, message } = row;
  if (status === "failed") {
    const why = [error?.type, error?.message].filter(Boolean).join(": ");
    return { text: why || message || words.noReason, kind: "error" };
  }
  if (status === "lost") return { text: words.heard(ago(moment(row.last_seen), now)), kind: "error" };
  if (status === "cancelled")
    return { text: [row.cancelled_by && words.cancelledBy(row.cancelled_by), message].filter(Boolean).join(": "), kind: "plain" };
  if (status === "paused") return { text: row.paused?.prompt ?? row.paused?.reason ?? message ?? "", kind: "plain" };
  if (status === "queued") return { text: message ?? words.waits, kind: "plain" };
  if (active.length) {
    const more = (counts.running ?? 0) - active.length;
    return { text: active.join(", ") + (more > 0 ? ` ${words.more(more)}` : ""), kind: "active" };
  }
  return { text: message ?? "", kind: "plain" };
}

/**
 * When something last happened to a run that is under way, else when it began to wait, or ended.
 *
 * @param {any} row
 * @param {number} now
 */
export function latest(row, now) {
  if (row.status === "queued" && row.queued_at) return words.queued(ago(moment(row.queued_at), now));
  if (ENDED.has(row.status) && row.ended_at) return words.ended(ago(moment(row.ended_at), now));
  return words.updated(ago(moment(row.updated_at ?? row.last_seen), now));
}

/** When it began and changed, for a tooltip. @param {any} row */
export function moments(row) {
  return [
    row.started_at && words.started(full(moment(row.started_at))),
    row.updated_at && words.updated(full(moment(row.updated_at))),
  ].filter(Boolean).join(", ");
}
