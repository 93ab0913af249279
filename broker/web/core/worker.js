// The SharedWorker: one connection to the gateway for all tabs of this browser.
import { Hub } from "./hub.js";

const hub = new Hub(`${location.origin.replace(/^http/, "ws")}/v1/ws`);

/** @type {any} */ (self).onconnect = (/** @type {MessageEvent} */ event) => {
  const [port] = event.ports;
  const page = hub.serve(port);
  const asked = port.onmessage;
  port.onmessage = (message) => {
    // A port does not tell that its page is gone; the lock that the page holds as long as it
    // lives does. Pages of http without TLS have no locks: they say "bye".
    if (message.data.op === "alive") void navigator.locks?.request(message.data.lock, () => page.gone());
    else asked?.call(port, message);
  };
};
