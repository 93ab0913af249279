/**
 * What a page watches, live: runs, lists, logs. All tabs share one connection; a hidden tab rests
 * unless a bell keeps a run awake.
 */

import { signal } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { Refused, askTime } from "./api.js";
import { onLeap, stop as stopClock } from "./clock.js";
import { merge } from "./merge.js";
import { Way } from "./way.js";

/** Milliseconds between two changes of what is drawn: ten a second are live to the eye. */
const DRAWN_EVERY = 100;

/** @type {import("../vendor/preact.js").Signal<import("./wire.js").Connection>} */
export const connection = signal({ standing: "idle", since: Date.now() });

/** @typedef {{op: "watch", key: string, request: import("./wire.js").Request, awake: boolean}} Asked */
/** What is watched: whom to tell, and what the hub was asked. @type {Map<string, {tell: (told: any) => void, asked: Asked}>} */
const watches = new Map();
let next = 1;

const rest = (resting = document.hidden) => ({ op: "rest", resting });
const hub = new Way(
  taken,
  () => [...(document.hidden ? [rest()] : []), ...[...watches.values()].map(({ asked }) => asked)],
  () => !document.hidden || [...watches.values()].some(({ asked }) => asked.awake),
);

/** @param {{connection?: import("./wire.js").Connection, key: string, told: any}} message */
function taken({ connection: changed, key, told }) {
  if (!changed) {
    const watch = watches.get(key);
    if (!watch) return;
    // Another hub, should this one die, goes on from here.
    if (told.cursor && "view" in watch.asked.request) watch.asked.request = { ...watch.asked.request, cursor: told.cursor };
    watch.tell(told);
    return;
  }
  if (changed.standing === "open" && connection.value.standing !== "open") void askTime();
  connection.value = changed;
  const away = changed.standing === "lost" || changed.standing === "refused";
  stopClock(away ? changed.since : null);
}
document.addEventListener("visibilitychange", () => hub.say(rest()));
addEventListener("online", hurry);
// A page that the browser keeps for "back" only rests.
addEventListener("pagehide", ({ persisted }) => hub.say(persisted ? rest(true) : { op: "bye" }));
addEventListener("pageshow", () => hub.say(rest()));
// The computer slept, or was told another time.
onLeap(() => {
  hub.say({ op: "check" });
  void askTime();
});

/** Try to connect at once. */
export function hurry() {
  hub.say({ op: "hurry" });
}

/**
 * Be told of whatever a request asks for, message by message; gives what ends it.
 *
 * @param {import("./wire.js").Request} request
 * @param {(told: import("./wire.js").Told) => void} tell
 * @param {{awake?: boolean}} [options] `awake`: also while the page is hidden
 */
export function watch(request, tell, { awake = false } = {}) {
  const key = String(next++);
  /** @type {Asked} */
  const asked = { op: "watch", key, request, awake };
  watches.set(key, { tell, asked });
  hub.say(asked);
  return () => {
    watches.delete(key);
    hub.say({ op: "unwatch", key });
  };
}

/**
 * @typedef {object} Shown
 * @property {"loading" | "live" | "ended" | "refused"} standing
 * @property {any} state the run's state, or `{rows, order, counts, next?}` of a list
 * @property {number} heardAt when it was last told of, by this computer's clock
 * @property {Refused | null} problem why nothing is shown
 */

/**
 * A run's state or a list as a signal, drawn ten times a second at most.
 *
 * @param {import("./wire.js").Request} request
 * @param {{awake?: boolean}} [options]
 * @returns {{shown: import("../vendor/preact.js").Signal<Shown>, again: () => void, stop: () => void}}
 */
export function follow(request, options) {
  /** @type {Shown} */
  let latest = { standing: "loading", state: undefined, heardAt: Date.now(), problem: null };
  const shown = signal(latest);
  let drawnAt = 0;
  /** What was made since the last drawing. @type {WeakSet<object>} */
  let undrawn = new WeakSet();
  let timer = 0;
  let end = () => {};

  const draw = () => {
    timer = 0;
    drawnAt = performance.now();
    undrawn = new WeakSet();
    shown.value = latest;
  };
  /** @param {Partial<Shown>} changed */
  const change = (changed) => {
    latest = { ...latest, heardAt: Date.now(), ...changed };
    timer ||= window.setTimeout(draw, Math.max(0, drawnAt + DRAWN_EVERY - performance.now()));
  };
  const begin = () => {
    end();
    end = watch(request, heard, options);
  };
  /** @param {import("./wire.js").Told} told */
  const heard = (told) => {
    if (told.type === "hello" && told.data?.resumed && latest.state) change({ standing: "live", problem: null });
    else if (told.type === "snapshot") change({ standing: "live", state: told.data, problem: null });
    else if (told.type === "patch") change({ standing: "live", state: merge(latest.state, told.data, undrawn), problem: null });
    else if (told.type === "end") change({ standing: "ended" });
    else if (told.type === "error") change({ standing: "refused", problem: refusal(told.data) });
  };
  begin();
  return {
    shown,
    again: begin,
    stop: () => {
      clearTimeout(timer);
      end();
    },
  };
}

/** @param {any} data */
function refusal(data) {
  const { status = 0, name = "", detail = "", retry_after: retryAfter = null } = data ?? {};
  return new Refused(status, name, name === "too-long" ? common.answers.tooLong : detail, retryAfter);
}
