/**
 * Keys that do something: each page says which, and the panel behind `?` lists them. Nothing
 * happens while somebody types, or with a modifier, which is the browser's.
 */

import { signal, useEffect } from "../vendor/preact.js";

/** @typedef {{key: string, does: string, act?: (event: KeyboardEvent) => void}} Shortcut without `act` the browser does it */

/** @type {import("../vendor/preact.js").Signal<{of: string, shortcuts: Shortcut[]}[]>} */
export const groups = signal([]);

/**
 * Offer keys as long as a component stands.
 *
 * @param {string} of the heading in the panel
 * @param {Shortcut[]} shortcuts
 * @param {unknown[]} [depends] what the actions use of the component's state
 */
export function useKeys(of, shortcuts, depends = []) {
  useEffect(() => {
    const group = { of, shortcuts };
    groups.value = [...groups.peek(), group];
    return () => {
      groups.value = groups.peek().filter((other) => other !== group);
    };
  }, depends);
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = /** @type {HTMLElement} */ (event.target);
  if (at.isContentEditable || at.matches?.("input:not([type=checkbox]), textarea, select")) return;
  if (document.querySelector("dialog[open]")) return;
  for (const { shortcuts } of [...groups.value].reverse())
    for (const { key, act } of shortcuts)
      if (key === event.key && act) {
        event.preventDefault();
        act(event);
        return;
      }
});
