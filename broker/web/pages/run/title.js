/** The title of the page: what a person sees of a tab that is not in front. */

import { useEffect } from "../../vendor/preact.js";
import { called, percent } from "../../core/format.js";
import { wordFor } from "../../parts/status.js";
import { common } from "../../text/common.js";

/** Characters of a name that a title keeps. */
const LONGEST = 80;

/** @param {any} state */
export function titleOf(state) {
  const { fraction } = state.progress ?? {};
  const far = state.status === "running" && fraction != null ? percent(fraction) : wordFor(state.status);
  return `${far} · ${called(state.name, state.run).slice(0, LONGEST)} · ${common.product}`;
}

/**
 * @param {string} run
 * @param {any} state of now, where it is known
 */
export function useTitle(run, state) {
  const title = state ? titleOf(state) : `${run.slice(0, LONGEST)} · ${common.product}`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => () => {
    document.title = common.product;
  }, []);
}
