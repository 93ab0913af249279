import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import test from "node:test";

import { scan } from "./source.js";

const WEB = new URL("../../broker/web/", import.meta.url);
const MODULES = globSync("{app.js,{core,parts,pages,embed}/**/*.js}", { cwd: WEB });
const READ = /\b(?:aria-label|aria-valuetext|aria-description|title|placeholder|alt|label)="([^"]*)"/g;
const TAG = /<[^<>]*>/g;
const WORD = /\p{L}{2,}/u;
/** Two words and more that begin as a sentence does, or end as one. */
const SENTENCE = /^\p{Lu}\p{Ll}+ \p{L}{2,}|\p{L}{2,} \p{L}+.*\p{L}{2,}[.…!?]$|\0 \p{L}{4,}/u;

/** Words that stand in a module and that a person would read. @param {string} source */
function words(source) {
  const { literals, templates } = scan(source);
  const found = literals.filter((text) => SENTENCE.test(text));
  for (const text of templates) {
    for (const [, said] of text.matchAll(READ)) if (WORD.test(said)) found.push(said);
    const between = text.replace(TAG, " ").replace(/^[^<]*>|<[^>]*$/g, " ");
    if (WORD.test(between)) found.push(between.trim());
  }
  return found;
}

test("the scan sees words between tags, in attributes and in sentences", () => {
  const source = 'const a = html`<p title="Hint">Some text ${b ? html`<i>more</i>` : `x`}</p>`; say("It is done.");';
  assert.deepEqual(words(source).sort(), ["Hint", "It is done.", "Some text \0", "more"].sort());
  assert.deepEqual(words('/* It is. */ html`<${A} class="big one" x=${/"/} />`; // Not this.'), []);
});

test("all that a person reads stands in broker/web/text", () => {
  assert.ok(MODULES.length > 80, `${MODULES.length} modules`);
  const found = MODULES.flatMap((name) => words(readFileSync(new URL(name, WEB), "utf8")).map((said) => `${name}: ${said}`));
  assert.deepEqual(found, []);
});

test("no module writes markup, evaluates text or holds a page back", () => {
  const forbidden = /\.(?:innerHTML|outerHTML)\b|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|new Function\(|["']beforeunload["']/;
  assert.deepEqual(MODULES.filter((name) => forbidden.test(readFileSync(new URL(name, WEB), "utf8"))), []);
});
