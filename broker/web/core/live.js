/**
 * What a page watches, live: runs, lists, logs. All tabs share one connection; a hidden tab rests
 * unless a bell keeps a run awake.
 */

import { signal } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { Refused, encoded, get } from "./api.js";
import { stop as stopClock } from "./clock.js";
import { Hub } from "./hub.js";
import { merge } from "./merge.js";
import { worthAsking } from "./subscription.js";

/** Milliseconds between two changes of what is drawn: ten a second are live to the eye. */
const DRAWN_EVERY = 100;
/** Milliseconds after which a run that is unknown, or has ended, is asked for again. */
const ASKED_AGAIN = 5_000;

/** @type {import("../vendor/preact.js").Signal<import("./wire.js").Connection>} */
export const connection = signal({ standing: "idle", since: Date.now() });

/** @type {Map<string, (told: any) => void>} */
const watches = new Map();
let next = 1;

const port = joined();
if (document.hidden) port.postMessage({ op: "rest", resting: true });
port.onmessage = (/** @type {MessageEvent} */ event) => {
  const { connection: changed, key, told } = event.data;
  if (!changed) {
    watches.get(key)?.(told);
    return;
  }
  connection.value = changed;
  const away = changed.standing === "lost" || changed.standing === "refused";
  stopClock(away ? changed.since : null);
};
document.addEventListener("visibilitychange", () =>
  port.postMessage({ op: "rest", resting: document.hidden }));
addEventListener("online", () => hurry());
// A page that the browser keeps for "back" only rests.
addEventListener("pagehide", ({ persisted }) => port.postMessage(persisted ? { op: "rest", resting: true } : { op: "bye" }));
addEventListener("pageshow", () => port.postMessage({ op: "rest", resting: document.hidden }));

/** Try to connect at once. */
export function hurry() {
  port.postMessage({ op: "hurry" });
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
  watches.set(key, tell);
  port.postMessage({ op: "watch", key, request, awake });
  return () => {
    watches.delete(key);
    port.postMessage({ op: "unwatch", key });
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
  let asking = 0;
  let end = () => {};
  let stopped = false;

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
    clearTimeout(asking);
    end();
    end = watch(request, heard, options);
  };
  /** @param {import("./wire.js").Told} told */
  const heard = (told) => {
    if (told.type === "hello" && told.data?.resumed && latest.state) change({ standing: "live", problem: null });
    else if (told.type === "snapshot") change({ standing: "live", state: told.data, problem: null });
    else if (told.type === "patch") change({ standing: "live", state: merge(latest.state, told.data, undrawn), problem: null });
    else if (told.type === "end") {
      change({ standing: "ended" });
      asking = window.setTimeout(askIfItGoesOn, ASKED_AGAIN);
    } else if (told.type === "error") {
      change({ standing: "refused", problem: refusal(told.data) });
      if (worthAsking(told.data)) asking = window.setTimeout(begin, ASKED_AGAIN);
    }
  };
  const askIfItGoesOn = async () => {
    let pause = ASKED_AGAIN;
    if (!document.hidden && "run" in request) {
      const state = await get(`/v1/runs/${encoded(request.run)}`).catch((problem) => {
        pause = Math.max(pause, (problem.retryAfter ?? 0) * 1000);
      });
      if (stopped) return;
      if (state && state.cursor !== latest.state?.cursor) return begin();
    }
    asking = window.setTimeout(askIfItGoesOn, pause);
  };
  begin();
  return {
    shown,
    again: begin,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(asking);
      end();
    },
  };
}

/** @param {any} data */
function refusal(data) {
  const { status = 0, name = "", detail = "", retry_after: retryAfter = null } = data ?? {};
  return new Refused(status, name, name === "too-long" ? common.answers.tooLong : detail, retryAfter);
}

/** The way to the hub: in the SharedWorker where browsers have one, else in this page. */
function joined() {
  if (typeof SharedWorker !== "undefined") {
    const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.port.start();
    const lock = `page-${crypto.randomUUID?.() ?? Math.random()}`;
    // Only once it is held: the worker would else get it first, and take this page for dead.
    void navigator.locks?.request(lock, () => {
      worker.port.postMessage({ op: "alive", lock });
      return new Promise(() => {});
    });
    return worker.port;
  }
  const { port1, port2 } = new MessageChannel();
  new Hub(`${location.origin.replace(/^http/, "ws")}/v1/ws`).serve(port2);
  return port1;
}
