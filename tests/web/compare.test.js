import assert from "node:assert/strict";
import test from "node:test";

import { differs, marks, paired } from "../../broker/web/pages/compare/steps.js";

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
