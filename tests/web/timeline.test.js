import assert from "node:assert/strict";
import test from "node:test";

import { extentOf, segmentsBy } from "../../broker/web/pages/run/timeline/lanes.js";
import { Reader } from "../../broker/web/pages/run/timeline/reader.js";

const DAY = "2026-01-31T12:";

/** A time so many seconds after twelve. @param {number} s */
const time = (s) => `${DAY}${String(Math.floor(s / 60)).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}Z`;
const ms = (/** @type {number} */ s) => Date.parse(time(s));

/** @param {[number, string, object?][]} events when, of which type, and more */
function told(events, reader = new Reader()) {
  for (const [at, type, more] of events) reader.take({ cursor: `e-${at}`, time: time(at), type, ...more });
  return reader;
}

/** Segments as `[kind, from, to]`, in seconds. @param {any[]} segments */
const brief = (segments) => segments.map(({ kind, from, to }) => [kind, (from - ms(0)) / 1000, (to - ms(0)) / 1000]);

/** @param {any} state @param {Reader} reader @param {number} now */
const ofRun = (state, reader, now) => brief(segmentsBy(state, ms(now), reader.of(state.attempt ?? 1))(
  { kind: "run", key: "run", id: "", step: state, depth: 0, open: undefined }));

/** @param {string} id @param {any} state @param {Reader} reader @param {number} now */
const ofStep = (id, state, reader, now) => segmentsBy(state, ms(now), reader.of(state.attempt ?? 1))(
  { kind: "step", key: id, id, step: state.steps[id], depth: 0, open: undefined });

const PAUSES = told([
  [0, "run.started"], [0, "step.started", { step: "a" }],
  [10, "run.paused"], [12, "run.paused"], [20, "run.resumed"], [25, "run.resumed"],
  [30, "step.completed", { step: "a" }], [30, "step.started", { step: "b" }],
  [40, "run.paused"], [50, "run.resumed"],
]);
const RUNNING = { status: "running", attempt: 1, started_at: time(0), steps: {
  a: { status: "completed", started_at: time(0), ended_at: time(30) }, b: { status: "running", started_at: time(30) } } };

test("a run has its pauses, and steps rest in them", () => {
  assert.deepEqual(ofRun(RUNNING, PAUSES, 60),
    [["work", 0, 10], ["paused", 10, 20], ["work", 20, 40], ["paused", 40, 50], ["work", 50, 60]]);
  assert.deepEqual(brief(ofStep("a", RUNNING, PAUSES, 60)), [["work", 0, 10], ["paused", 10, 20], ["work", 20, 30]]);
  assert.deepEqual(brief(ofStep("b", RUNNING, PAUSES, 60)), [["work", 30, 40], ["paused", 40, 50], ["work", 50, 60]]);
});

test("the present pause is the state's, whether or not the events are read", () => {
  const paused = { ...RUNNING, status: "paused", paused: { since: time(55) }, steps: { b: { status: "paused", started_at: time(30) } } };
  assert.deepEqual(ofRun(paused, new Reader(), 70), [["work", 0, 55], ["paused", 55, 70]]);
  assert.deepEqual(ofRun(paused, PAUSES, 70).slice(-2), [["work", 50, 55], ["paused", 55, 70]]);
  const [, , , rest] = ofStep("b", paused, PAUSES, 70);
  assert.deepEqual([brief([rest]), rest.rests], [[["paused", 55, 70]], true]);
});

test("of a past moment, what came later is not drawn", () => {
  const then = { ...RUNNING, status: "paused", paused: { since: time(10) }, steps: {} };
  assert.deepEqual(ofRun(then, PAUSES, 15), [["work", 0, 10], ["paused", 10, 15]]);
  const tries = told([[0, "step.started", { step: "a" }], [5, "step.retrying", { step: "a" }], [6, "step.started", { step: "a" }],
    [9, "step.retrying", { step: "a" }], [10, "step.started", { step: "a" }]]);
  const second = { status: "running", started_at: time(0), steps: { a: { status: "running", attempt: 2, started_at: time(0) } } };
  assert.deepEqual(brief(ofStep("a", second, tries, 8)), [["try", 0, 5], ["waiting", 5, 6], ["work", 6, 8]]);
  second.steps.a.attempt = 3;
  assert.deepEqual(brief(ofStep("a", second, tries, 12)), [["try", 0, 5], ["waiting", 5, 6], ["try", 6, 9], ["waiting", 9, 10], ["work", 10, 12]]);
});

test("a pause ends with its attempt, and the next begins without", () => {
  const reader = told([[0, "run.started"], [10, "run.paused"], [20, "run.failed"], [25, "run.paused"],
    [26, "command.retry", { attempt: 2 }], [27, "run.heartbeat", { attempt: 3 }],
    [30, "run.started", { attempt: 2 }], [35, "run.paused"], [36, "run.resumed", { attempt: 1 }], [40, "run.resumed", { attempt: 2 }]]);
  assert.deepEqual(reader.of(1)?.pauses, [{ from: ms(10), to: ms(20) }]);
  assert.deepEqual(reader.of(2)?.pauses, [{ from: ms(35), to: ms(40) }]);
  assert.equal(reader.of(3), undefined);
});

test("pauses that clocks tell out of order are drawn in order, each time once", () => {
  const mixed = told([[0, "run.started"], [30, "run.paused"], [40, "run.resumed"],
    [10, "run.paused"], [20, "run.resumed"], [15, "run.paused"], [25, "run.resumed"]]);
  assert.deepEqual(ofRun(RUNNING, mixed, 60),
    [["work", 0, 10], ["paused", 10, 25], ["work", 25, 30], ["paused", 30, 40], ["work", 40, 60]]);
});

test("many lanes look at few of many pauses, which are worked out once", () => {
  let looks = 0;
  const counted = (/** @type {number} */ from) => ({ get from() { looks++; return from; }, get to() { looks++; return from + 1_000; } });
  const pauses = Array.from({ length: 500 }, (_, n) => counted(ms(0) + n * 4_000));
  const steps = Object.fromEntries(Array.from({ length: 200 }, (_, n) =>
    [`s${n}`, { status: "completed", started_at: time(n * 10), ended_at: time(n * 10 + 5) }]));
  const state = { status: "running", attempt: 1, started_at: time(0), steps };
  const segments = segmentsBy(state, ms(2_000), { tries: new Map(), pauses });
  const worked = looks;
  const drawn = Object.entries(steps).map(([id, step]) =>
    segments({ kind: "step", key: id, id, step, depth: 0, open: undefined }));
  assert.equal(looks, worked, "no lane looks at what was told");
  assert.deepEqual(brief(drawn[1]), [["work", 10, 12], ["paused", 12, 13], ["work", 13, 15]]);
});

test("what a clock that is ahead has begun has its place", () => {
  const state = { status: "running", started_at: time(300), steps: { a: { status: "running", started_at: time(310) } } };
  const { start, end } = extentOf(state, ms(0));
  assert.equal(start, ms(300));
  assert.ok(end > ms(310), "there is room for what began last");
});
