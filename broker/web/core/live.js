/**
 * What a page watches, live: runs, lists, logs. All tabs share one connection; a hidden tab rests
 * unless a bell keeps a run awake.
 */

import { signal } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { Refused, askTime } from "./api.js";
import { stop as stopClock } from "./clock.js";
import { Hub } from "./hub.js";
import { merge } from "./merge.js";

/** Milliseconds between two changes of what is drawn: ten a second are live to the eye. */
const DRAWN_EVERY = 100;

/** @type {import("../vendor/preact.js").Signal<import("./wire.js").Connection>} */
export const connection = signal({ standing: "idle", since: Date.now() });

/** What is watched: whom to tell, and what the hub was asked. @type {Map<string, {tell: (told: any) => void, asked: object}>} */
const watches = new Map();
let next = 1;

/** @type {MessagePort} */
let port;
use(shared() ?? alone());

/** @param {MessagePort} way to the hub */
function use(way) {
  port = way;
  port.onmessage = taken;
  if (document.hidden) port.postMessage({ op: "rest", resting: true });
  for (const { asked } of watches.values()) port.postMessage(asked);
}

/** @param {MessageEvent} event */
function taken({ data: { connection: changed, key, told } }) {
  if (!changed) {
    watches.get(key)?.tell(told);
    return;
  }
  if (changed.standing === "open" && connection.value.standing !== "open") void askTime();
  connection.value = changed;
  const away = changed.standing === "lost" || changed.standing === "refused";
  stopClock(away ? changed.since : null);
}
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
  const asked = { op: "watch", key, request, awake };
  watches.set(key, { tell, asked });
  port.postMessage(asked);
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

/** The way to the hub of all tabs; nothing where the browser has none, or forbids it in a frame. */
function shared() {
  try {
    const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onerror = () => use(alone()); // its script did not come
    worker.port.start();
    const lock = `page-${crypto.randomUUID?.() ?? Math.random()}`;
    const held = () => {
      worker.port.postMessage({ op: "alive", lock });
      return new Promise(() => {});
    };
    // The worker is told once it is held: it would else get it first, and take this page for dead.
    navigator.locks?.request(lock, held).catch(() => {});
    return worker.port;
  } catch {
    return null;
  }
}

/** The way to a hub of this page. */
function alone() {
  const { port1, port2 } = new MessageChannel();
  new Hub(`${location.origin.replace(/^http/, "ws")}/v1/ws`).serve(port2);
  return port1;
}
