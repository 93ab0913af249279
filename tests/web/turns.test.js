import assert from "node:assert/strict";
import test from "node:test";

import { Turns } from "../../broker/web/core/turns.js";

const settled = async () => {
  for (let n = 0; n < 10; n++) await Promise.resolve();
};

test("all have a turn at once while there is room", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const turns = new Turns(2, 3_000);
  const { signal } = new AbortController();
  const both = [await turns.take(signal), await turns.take(signal)];
  t.mock.timers.tick(60_000);
  assert.deepEqual(both.map((turn) => turn.signal.aborted), [false, false]);
});

test("who waits gets the place of the one that began first, after its time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const turns = new Turns(1, 3_000);
  const { signal } = new AbortController();
  const first = await turns.take(signal);
  let second = null;
  void turns.take(signal).then((turn) => (second = turn));
  await settled();
  t.mock.timers.tick(2_999);
  assert.equal(first.signal.aborted, false);
  t.mock.timers.tick(1);
  assert.equal(first.signal.aborted, true);
  first.end();
  await settled();
  assert.equal(second.signal.aborted, false);
});

test("who gave up waiting takes nobody's place", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const turns = new Turns(1, 3_000);
  const { signal } = new AbortController();
  const first = await turns.take(signal);
  const gone = new AbortController();
  const left = turns.take(gone.signal);
  let third = null;
  void turns.take(signal).then((turn) => (third = turn));
  await settled();
  gone.abort();
  (await left).end();
  first.end();
  await settled();
  assert.equal(third.signal.aborted, false);
});
