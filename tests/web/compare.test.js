import assert from "node:assert/strict";
import test from "node:test";

import { already, differs, farOf, marks, paired } from "../../broker/web/pages/compare/steps.js";

const A = { steps: { fetch: { index: 0, status: "completed", duration: 2 }, load: { index: 1, status: "completed", duration: 5 } },
  labels: { team: "x", env: "prod" } };
const B = { steps: { fetch: { index: 0, status: "completed", duration: 3 }, load: { index: 1, status: "failed", duration: 9 },
  extra: { index: 2, status: "running" } }, labels: { team: "x", env: "dev" }, metadata: { rows: 7 } };

test("each step stands once, as planned, with how much longer it took", () => {
  const pairs = paired(A, B, "plan");
  assert.deepEqual(pairs.map(({ id, slower }) => [id, slower]), [["fetch", 1], ["load", null], ["extra", null]]);
  assert.equal(pairs[2].a, undefined);
});

test("by difference, and by outcome", () => {
  assert.equal(paired(A, B, "slower")[0].id, "fetch");
  assert.deepEqual(paired(A, B, "status").map(differs), [true, true, false]);
});

test("labels and metadata that differ", () => {
  assert.deepEqual(marks(A, B), [{ name: "env", a: "prod", b: "dev" }, { name: "rows", a: "", b: "7" }]);
});

test("a run without steps, or not known yet", () => {
  assert.deepEqual(paired(undefined, {}, "plan"), []);
});

const AT = Date.parse("2026-01-31T12:00:30Z");
const BEGUN = "2026-01-31T12:00:00Z";

/** What is told of a step of a run with such a status. @param {object} step */
const far = (step, run = { status: "running", started_at: BEGUN }) => farOf(step, run, AT);

test("what still goes on has taken something by now; what rests stands still", () => {
  const running = { status: "running", started_at: BEGUN };
  assert.deepEqual(far(running), { standing: "going", seconds: 30 });
  assert.deepEqual(farOf(running, running, AT), { standing: "going", seconds: 30 });
  const paused = { status: "paused", started_at: BEGUN, paused: { since: "2026-01-31T12:00:20Z" } };
  assert.deepEqual(far({ status: "paused", started_at: BEGUN }, paused), { standing: "rest", seconds: 20 });
  assert.deepEqual(far({ status: "pending" }), { standing: "waiting", seconds: undefined });
  assert.deepEqual(farOf({ status: "queued", queued_at: BEGUN }, { status: "queued" }, AT), { standing: "waiting", seconds: undefined });
  assert.deepEqual(far({ status: "completed", started_at: BEGUN, duration: 2 }), { standing: "ended", seconds: 2 });
  assert.deepEqual(far({ status: "skipped" }), { standing: "ended", seconds: undefined });
  const ended = { status: "failed", started_at: BEGUN, ended_at: "2026-01-31T12:00:10Z" };
  assert.deepEqual(far({ status: "unknown", started_at: BEGUN }, ended), { standing: "open", seconds: 10 });
  assert.deepEqual(far({ status: "running", started_at: "2026-01-31T12:05:00Z" }), { standing: "ahead", seconds: undefined });
});

test("that one is slower is said as soon as it is sure", () => {
  const ended = (/** @type {number} */ seconds) => ({ standing: /** @type {const} */ ("ended"), seconds });
  const going = (/** @type {number} */ seconds) => ({ standing: /** @type {const} */ ("going"), seconds });
  assert.equal(already(ended(10), going(15)), 5);
  assert.equal(already(going(15), ended(10)), -5);
  assert.equal(already(ended(10), going(5)), null);
  assert.equal(already(going(5), ended(10)), null);
  assert.equal(already(going(5), going(10)), null);
});

test("what still goes on has no outcome that could differ", () => {
  const pair = (/** @type {string} */ a, /** @type {string} */ b) => differs({ id: "x", name: "x", a: { status: a }, b: { status: b }, slower: null });
  assert.deepEqual([pair("completed", "running"), pair("pending", "failed"), pair("paused", "running")], [false, false, false]);
  assert.deepEqual([pair("completed", "failed"), pair("completed", "unknown")], [true, true]);
});
