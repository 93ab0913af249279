import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = /** @type {any} */ ({ hidden: true, addEventListener: () => {} });
globalThis.window = /** @type {any} */ (globalThis);
const { heardFrom, now, stop } = await import("../../broker/web/core/clock.js");

const START = Date.UTC(2026, 0, 31, 12);

/** Be answered by a gateway whose clock is `ahead` of this one; the answer was `late` on its way. */
function answered(t, { ahead = 0, late = 0 } = {}) {
  t.mock.timers.reset();
  t.mock.timers.enable({ apis: ["Date"], now: START });
  const written = new Date(START + ahead).toUTCString();
  t.mock.timers.setTime(START + late);
  heardFrom(written, START);
  stop(Date.now());
  return now.value - Date.now();
}

/** Milliseconds that the clock was corrected by, to the second that a header is exact to. */
const near = (offset, wanted) => assert.ok(Math.abs(offset - wanted) <= 1_000, `${offset} for ${wanted}`);

test("the clock is the gateway's where the two differ", (t) => {
  near(answered(t, { ahead: 3_600_000 }), 3_600_000);
  near(answered(t, { ahead: -90_000 }), -90_000);
  near(answered(t), 0);
});

test("an answer that was long on its way does not turn it back", (t) => {
  near(answered(t), 0);
  near(answered(t, { late: 15_000 }), 0);
  near(answered(t, { ahead: 60_000 }), 60_000);
  near(answered(t, { ahead: 60_000, late: 15_000 }), 60_000);
});

test("what says nothing changes nothing", (t) => {
  near(answered(t, { ahead: 60_000 }), 60_000);
  for (const date of [null, "", "soon"]) heardFrom(date, START);
  heardFrom(new Date(START).toUTCString(), START + 7_200_000); // set back while it was asked
  near(now.value - Date.now(), 60_000);
});
