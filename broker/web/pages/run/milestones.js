/** What is said aloud as a run goes on: few things, and each once. */

import { useEffect, useRef } from "../../vendor/preact.js";
import { announce } from "../../parts/announce.js";
import { wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { nameOf } from "./times.js";

const QUARTERS = [25, 50, 75];
/** Steps up to which the end of each is said. */
const FEW = 8;
const OVER = new Set(["completed", "failed", "skipped", "cancelled"]);

/** @param {{state: any}} props */
export function Milestones({ state }) {
  const before = useRef(/** @type {any} */ (null));
  useEffect(() => {
    const then = before.current;
    before.current = state;
    if (!then) return;
    const said = status(then, state);
    if (said) announce(said.says, { urgent: said.urgent });
    else {
      const reached = step(then, state) ?? quarter(then, state);
      if (reached) announce(reached);
    }
  }, [state]);
  return null;
}

/** @param {any} then @param {any} state */
function status(then, state) {
  if (then.status === state.status && then.attempt === state.attempt) return null;
  const words = text.milestones;
  if (state.attempt > then.attempt && !OVER.has(state.status)) return { says: words.next(state.attempt, wordFor(state.status)), urgent: false };
  switch (state.status) {
    case "running": return { says: begun(then.status), urgent: false };
    case "paused": return { says: words.paused, urgent: false };
    case "completed": return { says: words.completed, urgent: false };
    case "cancelled": return { says: words.cancelled, urgent: false };
    case "lost": return { says: words.lost, urgent: true };
    case "failed": return { says: words.failed(state.error?.message ?? state.error?.type ?? ""), urgent: true };
    default: return null;
  }
}

/** What it means that a run is running. @param {string} before */
function begun(before) {
  const words = text.milestones;
  if (before === "lost") return words.found;
  return before === "paused" ? words.goesOn : words.started;
}

/** @param {any} then @param {any} state */
function step(then, state) {
  if (state.counts.total > FEW || then.steps === state.steps) return null;
  const said = Object.entries(state.steps)
    .filter(([id, { status: now }]) => OVER.has(now) && (Object.hasOwn(then.steps, id) ? then.steps[id].status : "") !== now)
    .map(([id, one]) => text.milestones.step(nameOf(id, one), wordFor(one.status)));
  return said.length ? said.join(". ") : null;
}

/** @param {any} then @param {any} state */
function quarter(then, state) {
  const was = (then.progress.fraction ?? 0) * 100;
  const is = (state.progress.fraction ?? 0) * 100;
  const passed = QUARTERS.filter((mark) => was < mark && is >= mark).pop();
  return passed === undefined ? null : text.milestones.reached(passed);
}
