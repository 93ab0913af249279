import assert from "node:assert/strict";
import test from "node:test";

import { Way } from "../../broker/web/core/way.js";
import { pretend } from "./gateways.js";

class FakeChannel {
  port1 = { postMessage: (data) => this.port2.onmessage?.({ data }) };
  port2 = { postMessage: (data) => this.port1.onmessage?.({ data }) };
}

/** Workers that do what `answered` says, in place of the browser's; gives those that were asked for. */
function workers(t, answered) {
  const made = [];
  class FakeWorker {
    constructor() {
      this.heard = [];
      this.port = {
        start: () => {},
        postMessage: (message) => {
          this.heard.push(message.op);
          answered(message, (data) => this.port.onmessage({ data }));
        },
      };
      made.push(this);
    }
  }
  const real = globalThis.MessageChannel; // whose ports would keep this process from its end
  globalThis.MessageChannel = /** @type {any} */ (FakeChannel);
  globalThis.SharedWorker = /** @type {any} */ (FakeWorker);
  globalThis.location = /** @type {any} */ ({ origin: "http://localhost" });
  t.after(() => {
    globalThis.MessageChannel = real;
    delete globalThis.SharedWorker;
    delete globalThis.location;
  });
  return made;
}

/** The way of a page that watches one run. */
const way = (told) => new Way((message) => told.push(message), () => [{ op: "watch", key: "1", request: { run: "import-7" } }], () => true);

test("a worker that greets and cannot be asked is left for a hub of the page, once", (t) => {
  const gateway = pretend(t);
  const made = workers(t, ({ op }, answer) => op === "watch" && answer({ connection: "live" }));
  way([]);
  gateway.wait(600_000);
  assert.equal(made.length, 1);
  assert.equal(made[0].heard.at(-1), "bye");
});

test("a worker that has answered, and then no more, has died: another is taken", (t) => {
  const gateway = pretend(t);
  let alive = true;
  const made = workers(t, ({ op }, answer) => alive && op === "here" && answer({ here: true }));
  way([]);
  gateway.wait(10_000);
  assert.equal(made.length, 1);
  alive = false;
  gateway.wait(10_000);
  assert.equal(made.length, 2);
});
