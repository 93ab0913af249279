import assert from "node:assert/strict";
import test from "node:test";

import { Hub } from "../../broker/web/core/hub.js";
import { pretend } from "./gateways.js";

/** A page as the hub sees it: what it was told, and how it asks. */
function page(hub) {
  const told = [];
  const port = /** @type {any} */ ({ postMessage: (message) => told.push(structuredClone(message)) });
  hub.serve(port);
  return {
    ask: (data) => port.onmessage({ data }),
    said: (word) => told.filter((message) => word in message),
    told: (key) => told.filter((message) => message.key === key).map(({ told }) => told),
  };
}

function served(t) {
  const gateway = pretend(t);
  const hub = new Hub("ws://localhost/v1/ws");
  return { gateway, hub, first: page(hub), second: page(hub) };
}

const WATCH = { op: "watch", key: "1", request: { run: "import-7" } };

test("two pages share a subscription, and who comes later has all of it", (t) => {
  const { gateway, first, second } = served(t);
  first.ask(WATCH);
  gateway.last().opens();
  gateway.last().says({ type: "snapshot", id: 1, cursor: "c-1", data: { n: 1 } });
  gateway.last().says({ type: "patch", id: 1, cursor: "c-2", data: { n: 2 } });
  second.ask(WATCH);
  assert.deepEqual(gateway.last().asked, [1]);
  assert.deepEqual(second.told("1").at(-1), { type: "snapshot", data: { n: 2 } });
});

test("who comes after a refusal that is over hears nothing of it", (t) => {
  const { gateway, first, second } = served(t);
  first.ask(WATCH);
  gateway.last().opens();
  gateway.last().says({ type: "snapshot", id: 1, cursor: "c-1", data: { n: 1 } });
  gateway.last().says({ type: "error", id: 1, data: { name: "overloaded", retry_after: 1 } });
  gateway.wait(1_000);
  gateway.last().says({ type: "hello", id: 1, data: { resumed: true } });
  second.ask(WATCH);
  assert.ok(second.told("1").every(({ type }) => type !== "error"));
});

for (const [what, last] of [
  ["has ended", { type: "end", id: 1, data: { status: "failed" } }],
  ["is unknown", { type: "error", id: 1, data: { name: "run-not-found" } }],
])
  test(`who asks again for a run that ${what} gets it anew, and so do the others`, (t) => {
    const { gateway, first, second } = served(t);
    first.ask(WATCH);
    gateway.last().opens();
    gateway.last().says(last);
    second.ask(WATCH);
    assert.deepEqual(gateway.last().asked, [2]);
    gateway.last().says({ type: "snapshot", id: 2, cursor: "c-9", data: { n: 9 } });
    for (const one of [first, second]) assert.deepEqual(one.told("1").at(-1).data, { n: 9 });
  });

test("a run that the gateway refuses for a time is not asked for sooner by who comes later", (t) => {
  const { gateway, first, second } = served(t);
  first.ask(WATCH);
  gateway.last().opens();
  gateway.last().says({ type: "error", id: 1, data: { name: "overloaded", retry_after: 30 } });
  second.ask(WATCH);
  assert.deepEqual(gateway.last().asked, [1]);
});

test("the connection ends when all pages rest, and is there again when one wakes", (t) => {
  const { gateway, hub, first, second } = served(t);
  first.ask(WATCH);
  second.ask(WATCH);
  gateway.last().opens();
  first.ask({ op: "rest", resting: true });
  second.ask({ op: "bye" });
  assert.deepEqual(gateway.last().asked, []);
  gateway.wait(9_000);
  assert.equal(hub.wire.connection.standing, "open");
  gateway.wait(1_000);
  assert.equal(hub.wire.connection.standing, "idle");
  first.ask({ op: "rest", resting: false });
  gateway.last().opens();
  assert.deepEqual(gateway.last().asked, [2]);
});

test("what has to stay awake is watched by a page that rests", (t) => {
  const { gateway, first } = served(t);
  first.ask({ ...WATCH, awake: true });
  first.ask({ ...WATCH, key: "2", request: { list: "" } });
  gateway.last().opens();
  first.ask({ op: "rest", resting: true });
  gateway.wait(60_000 - 1);
  assert.deepEqual(gateway.last().asked, [1]);
});

test("a log that rested goes on from its last line", (t) => {
  const { gateway, first } = served(t);
  first.ask({ ...WATCH, request: { run: "import-7", view: "logs", tail: 500 } });
  gateway.last().opens();
  gateway.last().says({ type: "log", id: 1, cursor: "c-4.7", data: { text: "seven" } });
  first.ask({ op: "rest", resting: true });
  first.ask({ op: "rest", resting: false });
  assert.deepEqual(gateway.last().heard.at(-1), { op: "subscribe", id: 2, run: "import-7", view: "logs", cursor: "c-4.7" });
});

test("a page that says nothing any more is forgotten, and begins anew if it lives", (t) => {
  const { gateway, hub, first, second } = served(t);
  first.ask(WATCH);
  second.ask({ ...WATCH, request: { run: "other" } });
  gateway.last().opens();
  for (let s = 0; s < 200; s++) {
    gateway.wait(1_000);
    gateway.last().says({ type: "pong", id: 0 });
    first.ask({ op: "here" });
  }
  assert.deepEqual(gateway.last().asked, [1]);
  assert.equal(hub.pages.size, 1);
  assert.deepEqual([first.said("here").length, first.said("gone").length], [200, 0]);
  assert.equal(second.said("gone").length, 1);
  second.ask({ op: "here" });
  assert.equal(second.said("gone").length, 2);
});

test("any order of coming, going and losing leaves nothing behind", (t) => {
  const { gateway, hub } = served(t);
  let seed = 7;
  const dice = (n) => (seed = (seed * 48_271) % 2_147_483_647) % n;
  const pages = [page(hub), page(hub), page(hub)];
  const acts = [
    (p) => p.ask({ op: "watch", key: String(dice(4)), request: { run: `r${dice(3)}` }, awake: dice(5) === 0 }),
    (p) => p.ask({ op: "watch", key: String(dice(4)), request: { run: "r0", view: "events" } }),
    (p) => p.ask({ op: "unwatch", key: String(dice(4)) }),
    (p) => p.ask({ op: "rest", resting: dice(2) === 0 }),
    (p) => p.ask({ op: "hurry" }),
    () => gateway.made() && gateway.last().readyState === 0 && gateway.last().opens(),
    () => gateway.made() && gateway.last().readyState === 1 && gateway.last().ends(1001),
    () => gateway.made() && gateway.last().asked.length && gateway.last().says(
      { type: "error", id: gateway.last().asked[0], data: { name: "interrupted", retry_after: dice(3) } }),
    () => gateway.wait(dice(4_000)),
  ];
  for (let n = 0; n < 5_000; n++) {
    acts[dice(acts.length)](pages[dice(pages.length)]);
    const open = gateway.made() ? gateway.last() : null;
    if (open?.readyState !== 1) continue;
    const wanted = hub.wire._subscriptions.size;
    assert.ok(open.asked.length <= wanted, `${open.asked} of ${wanted}`);
  }
  for (const one of pages) one.ask({ op: "bye" });
  gateway.wait(10_000);
  assert.equal(hub.wire._subscriptions.size, 0);
  assert.equal(hub._shared.size, 0);
  assert.equal(hub.pages.size, 2); // those of `served`
  const made = gateway.made();
  gateway.wait(600_000);
  assert.equal(gateway.made(), made);
});
