/** What an event says, in a few words. Pure. */

import { number } from "../../../core/format.js";
import { events as words } from "../../../text/events.js";

/** @param {any} event */
export function said(event) {
  const said = [event.name ?? event.step ?? event.group, counted(event), event.message, event.error?.message,
    event.reason, event.result, event.by && words.by(event.by)];
  if (Array.isArray(event.plan)) said.push(words.planned(event.plan.length));
  return said.filter((word) => typeof word === "string" && word).join(" · ");
}

/** @param {any} event */
function counted({ current, total, unit }) {
  if (typeof current !== "number") return "";
  const of = typeof total === "number" ? ` / ${number(total)}` : "";
  return `${number(current)}${of}${typeof unit === "string" ? ` ${unit}` : ""}`;
}
