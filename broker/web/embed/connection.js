/** One connection to each gateway, for all elements of a page. */

import { Wire } from "../core/wire.js";

/** Milliseconds that a connection nobody uses stays open: elements are often put in anew. */
const LINGER = 2_000;

/** @type {Map<string, {wire: Wire, listeners: Set<(connection: import("../core/wire.js").Connection) => void>}>} */
const wires = new Map();

/** Where this file came from: the gateway, unless an element names another. */
export const HOME = new URL(import.meta.url).origin;

addEventListener("online", () => wires.forEach(({ wire }) => wire.check()));

/**
 * @param {string} server origin of the gateway
 * @param {import("../core/wire.js").Request} request
 * @param {(told: import("../core/wire.js").Told) => void} tell
 * @param {(connection: import("../core/wire.js").Connection) => void} onConnection
 * @returns {() => void} what ends it
 */
export function watch(server, request, tell, onConnection) {
  let shared = wires.get(server);
  if (!shared) {
    /** @type {Set<(connection: import("../core/wire.js").Connection) => void>} */
    const listeners = new Set();
    const url = `${server.replace(/^http/, "ws")}/v1/ws`;
    const wire = new Wire(url, (connection) => listeners.forEach((listener) => listener(connection)));
    shared = { wire, listeners };
    wires.set(server, shared);
  }
  const { wire, listeners } = shared;
  listeners.add(onConnection);
  onConnection(wire.connection);
  const stop = wire.watch(request, tell);
  return () => {
    stop();
    listeners.delete(onConnection);
    if (!listeners.size) setTimeout(() => listeners.size || wire.rest(), LINGER);
  };
}
