/** The dashboard: which page an address means, and nothing else. */

import { html, render, useLayoutEffect, useState } from "./vendor/preact.js";
import { path } from "./core/route.js";
import "./core/theme.js";
import { useArrival } from "./parts/arrival.js";
import { Guard, NotFound, Page } from "./parts/page.js";
import { common } from "./text/common.js";

/**
 * Pages are loaded when they are first shown. A page's module exports `default`, a component that
 * is given the run its address names.
 *
 * @type {{at: RegExp, load: () => Promise<{default: any}>, bare?: boolean}[]}
 */
const PAGES = [
  { at: /^\/$/, load: () => import("./pages/list/page.js") },
  { at: /^\/runs\/([^/]+)(?:\/[^/]*)?$/, load: () => import("./pages/run/page.js") },
  { at: /^\/compare$/, load: () => import("./pages/compare/page.js") },
  { at: /^\/share\/([^/]+)$/, load: () => import("./pages/share/page.js"), bare: true },
];

/** @type {WeakMap<object, any>} */
const loaded = new WeakMap();

function App() {
  useArrival(path.value);
  const page = PAGES.find(({ at }) => at.test(path.value));
  if (!page) return html`<${Page}><${NotFound} /><//>`;
  const [, name] = /** @type {RegExpMatchArray} */ (path.value.match(page.at));
  const run = decoded(name);
  return html`<${Page} bare=${page.bare}><${Guard} key=${path.value}><${Shown} page=${page} run=${run} /><//><//>`;
}

/** @param {{page: typeof PAGES[number], run: string | null}} props */
function Shown({ page, run }) {
  const [, seen] = useState(0);
  const [failed, fail] = useState(/** @type {unknown} */ (null));
  // An effect would wait until "loading" has been painted.
  useLayoutEffect(() => {
    if (loaded.has(page)) return;
    page.load().then((module) => {
      loaded.set(page, module.default);
      seen((n) => n + 1);
    }, fail);
  }, [page]);
  if (failed !== null) throw failed;
  const content = loaded.get(page);
  return content ? html`<${content} run=${run} />` : html`<p class="empty">${common.loading}</p>`;
}

/** @param {string | undefined} name */
function decoded(name) {
  if (name === undefined) return null;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
