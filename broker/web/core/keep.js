/** What a person chose, kept in this browser. Storage may be forbidden or full: then nothing is kept. */

import { effect, signal } from "../vendor/preact.js";

/**
 * A choice that outlives the page; other tabs see it change.
 *
 * @template {string} T
 * @param {string} name
 * @param {readonly T[]} choices the first holds where nothing was chosen
 * @returns {import("../vendor/preact.js").Signal<T>}
 */
export function kept(name, choices) {
  /** @param {string | null} text */
  const read = (text) => choices.find((choice) => choice === text) ?? choices[0];
  const choice = signal(read(stored(name)));
  addEventListener("storage", (event) => {
    if (event.key === name) choice.value = read(event.newValue);
  });
  let first = true;
  effect(() => {
    const { value } = choice;
    if (!first) store(name, value === choices[0] ? null : value);
    first = false;
  });
  return choice;
}

/**
 * @param {string} name
 * @returns {string | null}
 */
export function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string | null} value
 */
export function store(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Nothing is kept then.
  }
}
