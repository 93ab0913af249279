import assert from "node:assert/strict";
import test from "node:test";

import { merge } from "../../broker/web/core/merge.js";

test("a patch names what changes, null what goes", () => {
  const before = { status: "running", steps: { a: { current: 1 }, b: {} }, message: "x" };
  assert.deepEqual(merge(before, { steps: { a: { current: 2 } }, message: null }),
    { status: "running", steps: { a: { current: 2 }, b: {} } });
});

test("what a patch does not name is shared, and nothing that was given changes", () => {
  const before = { steps: { a: { current: 1 }, b: {} }, labels: { team: "x" } };
  const after = merge(before, { steps: { a: { current: 2 } } });
  assert.equal(after.steps.b, before.steps.b);
  assert.equal(after.labels, before.labels);
  assert.equal(before.steps.a.current, 1);
});

test("RFC 7396: an array is replaced, an object takes the place of what was none", () => {
  assert.deepEqual(merge({ a: [1, 2] }, { a: [3] }), { a: [3] });
  assert.deepEqual(merge({ a: [1] }, { a: { b: 1, c: null } }), { a: { b: 1 } });
  assert.deepEqual(merge(undefined, { a: 1 }), { a: 1 });
  assert.equal(merge({ a: 1 }, "text"), "text");
});

test("a step called __proto__ is a step like any other", () => {
  const after = merge({ steps: {} }, JSON.parse('{"steps": {"__proto__": {"status": "running"}}}'));
  assert.deepEqual(Object.keys(after.steps), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(after.steps), Object.prototype);
  const later = merge(after, JSON.parse('{"steps": {"__proto__": {"current": 1}}}'));
  assert.deepEqual(Object.getOwnPropertyDescriptor(later.steps, "__proto__").value, { status: "running", current: 1 });
});
