/** Commands to runs: given, and what came of each. */

import { html, signal } from "../../vendor/preact.js";
import { Refused, post } from "../../core/api.js";
import { announce, toast } from "../../parts/announce.js";
import { ENDED } from "../../parts/status.js";
import { list } from "../../text/list.js";

const words = list.commands;

/** @typedef {"cancel" | "retry" | "pause" | "resume"} Command */
/** @typedef {{run: string, why: string}} Refusal */
/**
 * @typedef {object} Asked what the dialog is about
 * @property {Command} command
 * @property {string[]} runs
 * @property {"asking" | "sending" | "told"} stage
 * @property {number} told runs that were given the command
 * @property {Refusal[]} refused
 * @property {string} [failed] why none was given, when it was tried before
 */

/** What the dialog shows; null while there is none. */
export const asked = signal(/** @type {Asked | null} */ (null));

/**
 * Give a command to runs; cancelling is asked about first.
 *
 * @param {Command} command
 * @param {string[]} runs
 */
export function give(command, runs) {
  if (command === "cancel") asked.value = { command, runs, stage: "asking", told: 0, refused: [] };
  else send(command, runs);
}

/**
 * Give it at once. What was refused is shown in the dialog, anything else in a note.
 *
 * @param {Command} command
 * @param {string[]} runs
 * @param {string} [reason]
 */
export async function send(command, runs, reason) {
  const name = words[command];
  // Meanwhile something else may be asked about.
  const isAsked = () => asked.value?.runs === runs;
  if (asked.value) asked.value = { ...asked.value, stage: "sending", failed: "" };
  announce(words.sending(name));
  try {
    const { items } = await post("/v1/commands", { command, runs, ...(reason && { reason }) });
    const refused = refusals(items);
    if (refused.length && (isAsked() || !asked.value))
      asked.value = { command, runs, stage: "told", told: items.length - refused.length, refused };
    else if (isAsked()) asked.value = null;
    toast(words.result(name, items.length - refused.length, refused.length), refused.length ? "refused" : "done");
  } catch (error) {
    const failed = words.failed(name, error instanceof Refused ? error.message : String(error));
    if (asked.value && isAsked()) asked.value = { ...asked.value, stage: "asking", failed };
    else toast(failed, "refused");
  }
}

/**
 * @param {{run: string, problem?: {detail?: string, title?: string}}[]} items
 * @returns {Refusal[]}
 */
function refusals(items) {
  return items.flatMap(({ run, problem }) => (problem ? [{ run, why: problem.detail ?? problem.title ?? "" }] : []));
}

/**
 * The commands that a run in this state can follow.
 *
 * @param {any} row
 * @returns {Command[]}
 */
export function possible({ status, cancellable, pipeline }) {
  const retry = /** @type {Command[]} */ (pipeline ? ["retry"] : []);
  if (ENDED.has(status)) return retry;
  /** @type {Command[]} */
  const found = [];
  if (status === "paused") found.push("resume");
  else if (status === "running") found.push("pause");
  if (status === "lost") found.push(...retry);
  return cancellable === false ? found : [...found, "cancel"];
}

/** A button for each command that one run can follow. @param {{row: any}} props */
export function Commands({ row }) {
  return possible(row).map((command) => html`<button key=${command} class=${command === "cancel" ? "danger" : undefined}
    onClick=${() => give(command, [row.run])}>${words[command]}</button>`);
}
