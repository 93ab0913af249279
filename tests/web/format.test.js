import assert from "node:assert/strict";
import test from "node:test";

import { ago, bytes, called, duration, isAhead, percent, range } from "../../broker/web/core/format.js";

test("durations", () => {
  for (const [seconds, text] of [[0.42, "0.4 s"], [12, "12 s"], [59.7, "1 min 00 s"], [185, "3 min 05 s"],
    [3600, "1 h 00 min"], [7800, "2 h 10 min"], [367_200, "4 d 6 h"], [-3, "0.0 s"], [undefined, "–"], [NaN, "–"]])
    assert.equal(duration(seconds), text);
});

test("a percentage never says 100 too early", () => {
  for (const [fraction, text] of [[0.999999, "99 %"], [1, "100 %"], [0.29, "29 %"], [undefined, "–"]])
    assert.equal(percent(fraction), text);
});

test("how long ago", () => {
  assert.equal(ago(0, 1_500), "now");
  assert.equal(ago(0, 12_000), "12 s ago");
  assert.equal(ago(0, 7_200_000), "2 h ago");
  assert.equal(ago(NaN, 0), "–");
});

test("what a clock that is ahead says is to come; what sound clocks differ by is not", () => {
  assert.equal(ago(3_000, 0), "now");
  assert.equal(ago(12_000, 0), "in 12 s");
  assert.equal(ago(300_000, 0), "in 5 min");
  assert.equal(ago(90_000_000, 0), "in 1 d");
  assert.deepEqual([isAhead(3_000, 0), isAhead(12_000, 0), isAhead(0, 12_000), isAhead(NaN, 0)], [false, true, false, false]);
});

test("ranges and sizes", () => {
  assert.equal(range(118, 121), "2 min");
  assert.equal(range(120, 245), "2–4 min");
  assert.equal(range(50, 300), "50 s – 5 min");
  assert.equal(bytes(999), "999 B");
  assert.equal(bytes(1_500_000), "1.5 MB");
});

test("a name that nobody sees is none, and an id is always seen", () => {
  assert.equal(called("Nightly", "r1"), "Nightly");
  assert.equal(called("\u202enpj.live", "r1"), "\u202enpj.live");
  for (const name of [undefined, null, "", " ", "\u200b\u2066\ufeff\u00ad", "\n\t\x00"]) assert.equal(called(name, "r1"), "r1");
  assert.equal(called("", "\u200b"), "%E2%80%8B");
});
