/** The dashboard: which page an address means, and nothing else. */

import { html, render } from "./vendor/preact.js";
import { path } from "./core/route.js";
import "./core/theme.js";
import { useArrival } from "./parts/arrival.js";
import { Lazy } from "./parts/lazy.js";
import { Guard, NotFound, Page } from "./parts/page.js";

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

function App() {
  useArrival(path.value);
  const page = PAGES.find(({ at }) => at.test(path.value));
  if (!page) return html`<${Page}><${NotFound} /><//>`;
  const [, name] = /** @type {RegExpMatchArray} */ (path.value.match(page.at));
  const run = decoded(name);
  return html`<${Page} bare=${page.bare}><${Guard} key=${path.value}><${Lazy} load=${page.load} run=${run} /><//><//>`;
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
