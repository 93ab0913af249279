import assert from "node:assert/strict";
import test from "node:test";

import { Wire } from "../../broker/web/core/wire.js";
import { pretend } from "./gateways.js";

const URL = "ws://localhost/v1/ws";
const MINUTE = 60_000;

/** A wire, what it tells of its connection, and what the first subscription is told. */
function wired(t, request = { run: "import-7" }) {
  const gateway = pretend(t);
  const standings = [];
  const told = [];
  const wire = new Wire(URL, ({ standing, reason }) => standings.push(reason ? `${standing}: ${reason}` : standing));
  const stop = wire.watch(request, (message) => told.push(message));
  return { gateway, wire, standings, told, stop };
}

const snapshot = (id, data) => ({ type: "snapshot", id, cursor: "c-1", data });

test("it is live once the gateway has greeted, not before", (t) => {
  const { gateway, standings } = wired(t);
  gateway.last().readyState = 1;
  gateway.last().onopen();
  assert.deepEqual(standings, ["connecting"]);
  gateway.last().says({ type: "hello", data: {} });
  assert.deepEqual(standings, ["connecting", "open"]);
});

test("what is lost is asked for again from where it was", (t) => {
  const { gateway, told } = wired(t);
  gateway.last().opens();
  gateway.last().says(snapshot(1, { steps: {}, n: 1 }));
  gateway.last().ends(1006);
  gateway.wait(1_000);
  gateway.last().opens();
  assert.deepEqual(gateway.last().heard, [{ op: "subscribe", id: 1, run: "import-7", cursor: "c-1" }]);
  gateway.last().says({ type: "patch", id: 1, cursor: "c-2", data: { n: 2 } });
  assert.deepEqual(told.at(-1).state, { steps: {}, n: 2 });
});

test("who stops watching before the connection opens is not asked for", (t) => {
  const { gateway, wire, stop } = wired(t);
  wire.watch({ run: "other" }, () => {});
  stop();
  gateway.last().opens();
  assert.deepEqual(gateway.last().asked, [2]);
});

for (const code of [1001, 1006, 1011, 1012, 4404, 4408, 4999])
  test(`after ${code} it comes back by itself`, (t) => {
    const { gateway } = wired(t);
    gateway.last().opens();
    gateway.last().ends(code);
    gateway.wait(MINUTE);
    assert.ok(gateway.made() > 1);
  });

for (const code of [1002, 1003, 1007, 1009, 4400, 4401, 4429])
  test(`after ${code} it waits for the person`, (t) => {
    const { gateway, wire, standings } = wired(t);
    gateway.last().opens();
    gateway.last().ends(code, "told so");
    gateway.wait(10 * MINUTE);
    assert.equal(gateway.made(), 1);
    assert.equal(standings.at(-1), "refused: told so");
    wire.hurry();
    gateway.last().opens();
    assert.equal(standings.at(-1), "open");
    assert.deepEqual(gateway.last().asked, [1]);
  });

/** How often a gateway is tried in ten minutes that does the same to every socket. */
function tries(gateway, act) {
  for (let s = 0; s < 600; s++) {
    if (gateway.last().readyState === 0 && gateway.last().onclose) act(gateway.last());
    gateway.wait(1_000);
  }
  return gateway.made();
}

for (const [name, act, least] of /** @type {const} */ ([
  ["refuses", (socket) => socket.ends(1006), 15],
  ["closes what it has opened", (socket) => (socket.opens(), socket.ends(1011)), 50],
  ["speaks no JSON", (socket) => (socket.opens(), socket.says("<html>")), 50],
  ["says null", (socket) => (socket.opens(), socket.says("null")), 50],
  ["says a patch that is none", (socket) => (socket.opens(), socket.says({ type: "patch", id: 1, data: 7 })), 50],
  ["never opens", () => {}, 15],
  ["opens and stays silent", (socket) => ((socket.readyState = 1), socket.onopen()), 15],
]))
  test(`a gateway that ${name} is tried again and again, but seldom`, (t) => {
    globalThis.fetch = () => Promise.reject(new Error("nor does this work"));
    const { gateway } = wired(t);
    const made = tries(gateway, act);
    assert.ok(made >= least && made <= 90, `${made} times in ten minutes`);
  });

test("pauses are short again after a connection that stood", (t) => {
  const { gateway } = wired(t);
  tries(gateway, (socket) => (socket.opens(), socket.ends(1011)));
  gateway.wait(10_000);
  gateway.last().opens();
  for (let s = 0; s < 12; s++) {
    gateway.wait(1_000);
    gateway.last().says({ type: "pong", id: 0 });
  }
  const before = gateway.made();
  gateway.last().ends(1001);
  gateway.wait(300);
  assert.equal(gateway.made(), before + 1);
});

test("a connection that does not answer a ping is given up", (t) => {
  const { gateway, standings } = wired(t);
  gateway.last().opens();
  gateway.wait(10_000);
  assert.equal(gateway.last().heard.at(-1).op, "ping");
  gateway.wait(6_000);
  assert.equal(standings.at(-1), "lost: silent");
});

test("a connection that fell silent was lost when it was last heard", (t) => {
  const { gateway, wire } = wired(t);
  gateway.last().opens();
  const heard = Date.now();
  gateway.wait(10_000);
  gateway.wait(6_000);
  assert.deepEqual([wire.connection.standing, wire.connection.since], ["lost", heard]);
});

test("who slept asks at once whether the gateway is still there", (t) => {
  const { gateway, wire, standings } = wired(t);
  gateway.last().opens();
  gateway.wait(3_000);
  wire.check();
  assert.equal(gateway.last().heard.at(-1).op, "ping");
  gateway.wait(6_000);
  assert.equal(standings.at(-1), "lost: silent");
  wire.check();
  gateway.last().opens();
  assert.equal(standings.at(-1), "open");
  gateway.last().ends(4401, "not any more");
  wire.check();
  assert.equal(gateway.made(), 2);
});

test("an interrupted subscription goes on from where it was, and nobody has to know", (t) => {
  const { gateway, told } = wired(t);
  gateway.last().opens();
  gateway.last().says(snapshot(1, {}));
  gateway.last().says({ type: "error", id: 1, data: { name: "interrupted", retry_after: 2 } });
  gateway.wait(1_999);
  assert.equal(gateway.last().heard.length, 1);
  gateway.wait(1);
  assert.deepEqual(gateway.last().heard[1], { op: "subscribe", id: 1, run: "import-7", cursor: "c-1" });
  assert.equal(told.length, 1);
});

test("what is refused for a time is asked for again when it is said, and once", (t) => {
  const { gateway, told } = wired(t);
  gateway.last().opens();
  gateway.last().says({ type: "error", id: 1, data: { name: "rate-limited", retry_after: 3 } });
  assert.equal(told.at(-1).type, "error");
  gateway.last().ends(1001);
  gateway.wait(300);
  gateway.last().opens();
  gateway.wait(5_000);
  assert.deepEqual(gateway.last().heard, [{ op: "subscribe", id: 1, run: "import-7" }]);
});

test("a pause that makes no sense is still a pause", (t) => {
  const { gateway } = wired(t);
  gateway.last().opens();
  for (const retry_after of [0, -1, "soon", {}, 1e9]) {
    gateway.last().heard.length = 0;
    gateway.last().says({ type: "error", id: 1, data: { name: "overloaded", retry_after } });
    gateway.wait(400);
    assert.deepEqual(gateway.last().heard, []);
    for (let s = 0; s < 60; s++) {
      gateway.wait(1_000);
      gateway.last().says({ type: "pong", id: 0 });
    }
    assert.equal(gateway.last().heard.filter(({ op }) => op === "subscribe").length, 1);
  }
});

test("an ended run is asked for again, seldom, and nothing is told until it goes on", (t) => {
  const { gateway, told } = wired(t);
  gateway.last().opens();
  gateway.last().says(snapshot(1, { status: "running" }));
  gateway.last().says({ type: "end", id: 1, data: { status: "failed" } });
  const before = told.length;
  for (let n = 0; n < 3; n++) {
    gateway.wait(5_000);
    assert.deepEqual(gateway.last().heard.pop(), { op: "subscribe", id: 1, run: "import-7", cursor: "c-1" });
    gateway.last().says({ type: "hello", id: 1, data: { resumed: true } });
    if (n < 2) gateway.last().says({ type: "end", id: 1, data: { status: "failed" } });
  }
  assert.equal(told.length, before);
  gateway.last().says({ type: "patch", id: 1, cursor: "c-2", data: { status: "queued" } });
  assert.deepEqual(told.slice(before).map(({ type }) => type), ["hello", "patch"]);
  gateway.last().says({ type: "end", id: 1, data: { status: "completed" } });
  assert.equal(told.at(-1).type, "end");
});

test("a run that is unknown is asked for again until it begins", (t) => {
  const { gateway, told } = wired(t);
  gateway.last().opens();
  for (let n = 0; n < 2; n++) {
    gateway.last().says({ type: "error", id: 1, data: { name: "run-not-found" } });
    gateway.last().heard.length = 0;
    gateway.wait(5_000);
    assert.deepEqual(gateway.last().asked, [1]);
  }
  gateway.last().says(snapshot(1, { status: "running" }));
  gateway.wait(60_000 - 1);
  assert.equal(told.at(-1).type, "snapshot");
});

test("a request too long to send is refused here, and ends nothing else", async (t) => {
  const { gateway, told } = wired(t, { run: "x".repeat(20_000) });
  gateway.last().opens();
  await Promise.resolve();
  assert.deepEqual(gateway.last().heard, []);
  assert.deepEqual(told.map(({ data }) => data.name), ["too-long"]);
});

test("at rest nothing is left: no timer, no socket", (t) => {
  const { gateway, wire, standings, stop } = wired(t);
  gateway.last().ends(1006);
  stop();
  wire.rest();
  wire.hurry();
  gateway.wait(10 * MINUTE);
  assert.equal(gateway.made(), 1);
  assert.equal(standings.at(-1), "idle");
});
