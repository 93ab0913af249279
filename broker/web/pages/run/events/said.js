/** What an event says, in a few words. Pure. */

import { number } from "../../../core/format.js";

/** @param {any} event */
export function said(event) {
  const words = [event.name ?? event.step ?? event.group, counted(event), event.message, event.error?.message,
    event.reason, event.result, event.by && `by ${event.by}`];
  if (Array.isArray(event.plan)) words.push(`${event.plan.length} steps planned`);
  return words.filter((word) => typeof word === "string" && word).join(" · ");
}

/** @param {any} event */
function counted({ current, total, unit }) {
  if (typeof current !== "number") return "";
  const of = typeof total === "number" ? ` / ${number(total)}` : "";
  return `${number(current)}${of}${typeof unit === "string" ? ` ${unit}` : ""}`;
}
