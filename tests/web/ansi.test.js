import assert from "node:assert/strict";
import test from "node:test";

import { css, pieces, plain } from "../../broker/web/core/ansi.js";

test("plain text is one piece", () => {
  assert.deepEqual(pieces("7 rows"), [{ text: "7 rows", look: {} }]);
});

test("colours and weight hold until they are reset", () => {
  assert.deepEqual(pieces("\x1b[1;31mbad\x1b[0m good"), [
    { text: "bad", look: { bold: true, color: "1" } },
    { text: " good", look: {} },
  ]);
});

test("bright, of 256 and of all colours", () => {
  const [bright, cube, full] = pieces("\x1b[92ma\x1b[38;5;208mb\x1b[38;2;1;2;255mc");
  assert.equal(bright.look.color, "10");
  assert.equal(cube.look.color, "208");
  assert.equal(full.look.color, "#0102ff");
  assert.equal(css("10"), "var(--ansi-10)");
  assert.equal(css("208"), "rgb(255 135 0)");
});

test("a colour out of range is no colour", () => {
  for (const code of ["38;5;256", "38;2;1;2", "38;5", "48;2;300;0;0"])
    assert.equal(pieces(`\x1b[${code}mx`)[0].look.color, undefined);
});

test("commands that move the cursor, set titles or links are left out", () => {
  assert.equal(plain("\x1b[2Ka\x1b[3;4Hb\x1b]0;title\x07c\x1b]8;;http://x\x1b\\d\x1b(Be\x07"), "abcde");
});

test("of a line that was written over, the last is shown", () => {
  assert.equal(plain("10 %\r50 %\r100 %"), "100 %");
  assert.equal(plain("done\r\n"), "done");
});

test("rubbish stays text, and ends", () => {
  for (const text of ["\x1b", "\x1b[", "\x1b[999999m", "\x9b", "\x1b]never ends", "\x00\x01\x02"])
    assert.equal(typeof plain(text), "string");
  assert.equal(plain("\x1b[".repeat(10_000) + "x").length < 30_000, true);
});
