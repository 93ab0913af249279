/** When a run will end, asked for again and again while it goes on. */

import { useEffect, useState } from "../../vendor/preact.js";
import { encoded, get } from "../../core/api.js";

/** Milliseconds between two questions; the gateway keeps an answer for five seconds. */
const ASKED_EVERY = 10_000;

/**
 * The gateway's estimate; null until there is one. A question that fails leaves the last answer.
 *
 * @param {string} run
 * @param {string} status a change of it is asked about at once
 * @returns {{finish: {p50: string, p90: string} | null, basis: string, overdue: boolean, reason: string | null} | null}
 */
export function useEstimate(run, status) {
  const [estimate, setEstimate] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const ending = new AbortController();
    let timer = 0;
    const ask = async () => {
      let pause = ASKED_EVERY;
      try {
        if (!document.hidden) setEstimate(await get(`/v1/runs/${encoded(run)}/estimate`, ending.signal));
      } catch (error) {
        const { retryAfter } = /** @type {{retryAfter?: number | null}} */ (error);
        pause = Math.max(pause, (retryAfter ?? 0) * 1000);
      }
      if (!ending.signal.aborted) timer = window.setTimeout(ask, pause);
    };
    ask();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [run, status]);
  return estimate;
}
