/** Where the person is: the address bar is the only place that says so. */

import { computed, signal } from "../vendor/preact.js";
import { keep, restore } from "./scroll.js";
import "./version.js";

const address = signal(here());

/** The path, without a slash at its end. */
export const path = computed(() => address.value.pathname.replace(/(.)\/$/, "$1"));
/** What stands behind the question mark. */
export const query = computed(() => new URLSearchParams(address.value.search));
/** What stands behind the hash: a place on the page. */
export const hash = computed(() => address.value.hash.slice(1));

/**
 * Go somewhere within the dashboard.
 *
 * @param {string} to path, query and hash
 * @param {{replace?: boolean}} [options] `replace`: "back" does not return to where one was
 */
export function go(to, { replace = false } = {}) {
  if (to === location.pathname + location.search + location.hash) return;
  if (!replace) keep();
  history[replace ? "replaceState" : "pushState"](null, "", to);
  const before = address.value.pathname;
  address.value = here();
  if (address.value.pathname !== before) scrollTo(0, 0);
}

/**
 * Change some of the query and leave the rest; what is empty is left out.
 *
 * @param {Record<string, string | null | undefined>} changes
 */
export function ask(changes) {
  const changed = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes))
    if (value) changed.set(name, value);
    else changed.delete(name);
  const text = changed.toString();
  go(location.pathname + (text && `?${text}`) + location.hash, { replace: true });
}

function here() {
  return new URL(location.href);
}

restore();
addEventListener("popstate", () => {
  address.value = here();
  restore();
});
addEventListener("hashchange", () => (address.value = here()));
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = /** @type {Element} */ (event.target).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || !/^\/(runs\/|compare$|share\/|$)/.test(to.pathname)) return;
  event.preventDefault();
  go(to.pathname + to.search + to.hash);
});
