import assert from "node:assert/strict";
import test from "node:test";

import { fractionOf } from "../../broker/web/pages/run/fraction.js";
import { settled } from "../../broker/web/pages/run/settled.js";
import { elapsed, stepTook } from "../../broker/web/pages/run/times.js";

const BEGUN = "2026-01-31T12:00:00Z";
const AT = Date.parse("2026-01-31T12:01:00Z");

test("a step is as far as is known, and nothing of nothing says nothing", () => {
  assert.equal(fractionOf({ status: "running", current: 0, total: 10 }), 0);
  assert.equal(fractionOf({ status: "running", ppm: 1_000_000, current: 10, total: 10 }), 0.999999);
  assert.equal(fractionOf({ status: "running", current: 0, total: 0 }), undefined);
  assert.equal(fractionOf({ status: "completed", current: 0, total: 0 }), 1);
});

test("what rests with its run stands still, and the run's own clock goes on", () => {
  const paused = { status: "paused", started_at: BEGUN, paused: { since: "2026-01-31T12:00:20Z" }, counts: { running: 1, total: 2 },
    steps: { a: { status: "running", started_at: BEGUN }, b: { status: "completed", started_at: BEGUN, duration: 3 } } };
  const { steps, counts } = settled(paused);
  assert.deepEqual([steps.a.status, steps.b.status], ["paused", "completed"]);
  assert.deepEqual(counts, { running: 0, paused: 1, total: 2 });
  assert.equal(stepTook(steps.a, paused, AT), 20);
  assert.equal(elapsed(paused, AT), 60);
});

test("what begins later than now has taken nobody knows how long", () => {
  const early = { status: "running", started_at: "2026-01-31T13:00:00Z" };
  assert.equal(elapsed(early, AT), undefined);
  assert.equal(stepTook(early, early, AT), undefined);
  assert.equal(elapsed({ status: "running", started_at: "2026-01-31T12:01:02Z" }, AT), 0);
});
