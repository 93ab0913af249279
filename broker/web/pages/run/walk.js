/** Walking a long list of rows by keys, as in a tree: up, down, open, fold, choose. */

import { useState } from "../../vendor/preact.js";

/**
 * The row that the keys are at, and what keys do. Rows are told apart by `key`, so that the walk
 * stays where it is while rows come and go.
 *
 * @param {object} with_
 * @param {{key: string, open?: boolean}[]} with_.rows
 * @param {(index: number) => void} with_.reveal brings a row into sight
 * @param {(index: number) => void} with_.choose
 * @param {(index: number, open: boolean) => void} with_.turn opens or folds a row
 */
export function useWalk({ rows, reveal, choose, turn }) {
  const [at, setAt] = useState("");
  const found = rows.findIndex(({ key }) => key === at);
  /** @param {number} index */
  const step = (index) => {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    if (!rows[to]) return;
    setAt(rows[to].key);
    reveal(to);
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = actions(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  };
  /** @param {string} key */
  const actions = (key) => {
    /** @type {Record<string, () => void>} */
    const does = {
      ArrowDown: () => step(found + 1),
      ArrowUp: () => step(found < 0 ? rows.length - 1 : found - 1),
      PageDown: () => step(found + 10),
      PageUp: () => step(found - 10),
      Home: () => step(0),
      End: () => step(rows.length - 1),
      ArrowRight: () => found >= 0 && rows[found].open === false && turn(found, true),
      ArrowLeft: () => found >= 0 && rows[found].open && turn(found, false),
      Enter: () => found >= 0 && choose(found),
      " ": () => found >= 0 && choose(found),
    };
    return Object.hasOwn(does, key) ? does[key] : undefined;
  };
  return { at: found, onKeyDown, goTo: step };
}
