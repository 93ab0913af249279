import assert from "node:assert/strict";
import test from "node:test";

import { Reading } from "../../broker/web/pages/run/timeline/reading.js";

const settled = async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

/** @param {number} n seconds after twelve */
const time = (n) => new Date(Date.UTC(2026, 0, 31, 12) + n * 1_000).toISOString();

/** The events of a run, of which a gateway answers some requests as it is told. */
class Gateway {
  constructor() {
    /** @type {any[]} */
    this.events = [];
    /** What each request was after, in order. @type {string[]} */
    this.asked = [];
    /** How many requests were ended by who had asked. */
    this.ended = 0;
    /** What is done before a request is answered. @type {() => any} */
    this.before = () => {};
    this.reading = new Reading((after, signal) => this._answer(after, signal));
  }

  /** @param {string} type @param {string} [epoch] */
  publish(type, epoch = "e") {
    const place = this.events.length + 1;
    this.events.push({ cursor: `${epoch}-${place}`, time: time(place), type });
    return { cursor: `${epoch}-${place}`, events: place };
  }

  /** @param {string} after @param {AbortSignal} signal */
  async *_answer(after, signal) {
    signal.addEventListener("abort", () => this.ended++);
    this.asked.push(after);
    await this.before();
    if (signal.aborted) throw signal.reason;
    const from = this.events.findIndex(({ cursor }) => cursor === after);
    if (after && from < 0) throw refused(422, "invalid-cursor");
    yield this.events.slice(from + 1);
  }

  get pauses() {
    return this.reading.of(1)?.pauses.length;
  }
}

/** @param {number} status @param {string} name @param {number | null} retryAfter seconds */
const refused = (status, name, retryAfter = null) => Object.assign(new Error(), { status, name, retryAfter });

/** Let so much time go by, with all that is done in it. @param {any} t @param {number} ms */
async function pass(t, ms) {
  await settled();
  t.mock.timers.tick(ms);
  await settled();
}

/** @param {any} t */
function began(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gateway = new Gateway();
  gateway.publish("run.started");
  const leave = gateway.reading.follow(() => {});
  const pause = () => {
    gateway.publish("run.paused");
    return gateway.publish("run.resumed");
  };
  return { gateway, reading: gateway.reading, pause, leave };
}

test("a burst of changes is read by few requests, one at a time, none of them ended", async (t) => {
  const { gateway, reading, pause } = began(t);
  let [open, most] = [0, 0];
  gateway.before = () => {
    most = Math.max(most, ++open);
    return new Promise((answered) => setTimeout(() => answered(open--), 250));
  };
  for (let n = 0; n < 60; n++) {
    reading.need(pause());
    await pass(t, 100);
  }
  await pass(t, 3_000);
  await pass(t, 250);
  assert.deepEqual([gateway.asked.length, most, gateway.ended], [3, 1, 0]);
  assert.equal(gateway.pauses, 60);
  assert.deepEqual(gateway.asked.slice(0, 1), [""]);
  assert.ok(gateway.asked.slice(1).every(Boolean), "what was read is not asked for again");
});

test("a refusal for a time is waited for, and is no failure", async (t) => {
  const { gateway, reading, pause } = began(t);
  for (const status of [429, 503]) {
    const need = pause();
    const before = gateway.asked.length;
    gateway.before = () => { throw refused(status, "for-a-time", 5); };
    reading.need(need);
    await pass(t, 4_999);
    assert.deepEqual([gateway.asked.length, reading.standing], [before + 1, "whole"]);
    gateway.before = () => {};
    await pass(t, 1);
    assert.deepEqual([gateway.asked.length, reading.standing], [before + 2, "whole"]);
    assert.equal(gateway.pauses, need.events >> 1);
    await pass(t, 3_000);
  }
});

test("another refusal is a failure, until it is asked for again", async (t) => {
  const { gateway, reading, pause } = began(t);
  const need = pause();
  gateway.before = () => { throw refused(503, "stream-unavailable"); };
  reading.need(need);
  await pass(t, 60_000);
  assert.deepEqual([gateway.asked.length, reading.standing], [1, "failed"]);
  gateway.before = () => {};
  reading.need(need);
  await settled();
  assert.deepEqual([gateway.asked.length, reading.standing, gateway.pauses], [2, "whole", 1]);
});

test("who comes back reads what is new, and nothing where nothing is", async (t) => {
  const { gateway, reading, pause, leave } = began(t);
  const first = pause();
  reading.need(first);
  await pass(t, 3_000);
  leave();
  reading.follow(() => {});
  reading.need(first);
  await pass(t, 3_000);
  assert.deepEqual(gateway.asked, [""]);
  reading.need(pause());
  await pass(t, 3_000);
  assert.deepEqual(gateway.asked, ["", first.cursor]);
  assert.deepEqual([gateway.pauses, reading.standing], [2, "whole"]);
});

test("who goes ends the request, and what comes after is not taken twice", async (t) => {
  const { gateway, reading, pause, leave } = began(t);
  let answer = () => {};
  gateway.before = () => new Promise((answered) => (answer = () => answered(undefined)));
  const need = pause();
  reading.need(need);
  await settled();
  leave();
  assert.equal(gateway.ended, 1);
  gateway.before = () => {};
  reading.follow(() => {});
  reading.need(need);
  answer();
  await pass(t, 3_000);
  assert.deepEqual([gateway.asked.length, gateway.pauses, reading.standing], [2, 1, "whole"]);
});

test("of a stream that was made anew all is read", async (t) => {
  const { gateway, reading, pause } = began(t);
  pause();
  reading.need(pause());
  await pass(t, 3_000);
  assert.equal(gateway.pauses, 2);
  gateway.events = [];
  for (const type of ["run.started", "run.paused"]) gateway.publish(type, "f");
  reading.need(gateway.publish("run.resumed", "f"));
  await pass(t, 0);
  assert.deepEqual(gateway.asked, ["", "e-5", ""]);
  assert.deepEqual([gateway.pauses, reading.standing], [1, "whole"]);
});
