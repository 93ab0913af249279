import assert from "node:assert/strict";
import test from "node:test";

import { labelTerm, parse, term, terms, withTerm } from "../../broker/web/pages/list/search.js";

const ODD = ["a", "my team", 'a"b', '"', '""', ' "', "a:b", " ", ":", "__proto__", "é.ü", "a.b", "x\ty", "a\u00a0b", "'", "\\"];

test("every label can be searched for, beside anything else", () => {
  for (const name of ODD)
    for (const value of [...ODD, ""]) {
      const wanted = labelTerm(name, value);
      const text = withTerm(withTerm("status:failed words", wanted), "more");
      const { labels, words, statuses, problems } = parse(text);
      assert.deepEqual([labels, words, statuses, problems], [[`${name}:${value}`], ["words", "more"], ["failed"], []], wanted);
      assert.equal(withTerm(text, wanted), text);
    }
});

test("so can every pipeline and every run", () => {
  for (const value of ODD) {
    assert.deepEqual(parse(`${term("pipeline", value)} z`).pipelines, [value]);
    assert.equal(parse(`z ${term("parent", value)}`).parent, value);
  }
});

test("plain names stay plain", () => {
  assert.equal(labelTerm("team", "data"), "label.team:data");
  assert.equal(labelTerm("app.kubernetes.io/name", "x:y"), "label.app.kubernetes.io/name:x:y");
  assert.equal(labelTerm("my team", "x"), 'label."my team":x');
});

test("quotes without an end are read quickly, too", { timeout: 1_000 }, () => {
  for (const text of [`label.${'"a'.repeat(2_000)}`, `label."${'a""'.repeat(1_300)}`, `label.${"a.".repeat(2_000)}"`, '"'.repeat(4_000)])
    assert.ok(terms(text).length >= 1 && parse(text));
});
