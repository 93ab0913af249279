/** Which state of a run is shown: that of now, of an earlier attempt, or of a past moment. */

import { useEffect, useLayoutEffect, useMemo, useState } from "../../vendor/preact.js";
import { encoded, get } from "../../core/api.js";
import { moment } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { query } from "../../core/route.js";
import { past, still } from "./past.js";

/**
 * @typedef {object} Chosen
 * @property {any} state what to show; nothing while it is not known
 * @property {number | undefined} attempt the chosen one, where it is not the latest
 * @property {string | undefined} at the cursor of the past moment that is shown
 * @property {unknown} problem why the chosen state cannot be shown
 */

/**
 * The run as it goes.
 *
 * @param {string} run
 */
export function useLive(run) {
  const live = useMemo(() => follow({ run }), [run]);
  useEffect(() => live.stop, [live]);
  return live;
}

/**
 * @param {string} run
 * @param {any} latest the state of now
 * @returns {Chosen}
 */
export function useChosen(run, latest) {
  const at = query.value.get("at") ?? undefined;
  const asked = Number(query.value.get("attempt")) || undefined;
  const [found, setFound] = useState(/** @type {{key: string, state?: any, problem?: unknown} | null} */ (null));
  const attempt = latest && asked === latest.attempt ? undefined : asked;
  const key = at ? `at=${encodeURIComponent(at)}` : attempt ? `attempt=${attempt}` : "";

  useEffect(() => {
    if (!at) past.value = null;
  }, [at === undefined]);
  useEffect(() => () => {
    past.value = null;
  }, [run]);
  useEffect(() => {
    if (!key || (at && past.peek()?.cursor === at)) return;
    const before = past.peek();
    const ending = new AbortController();
    get(`/v1/runs/${encoded(run)}?${key}`, ending.signal).then(
      (state) => {
        if (at && past.peek() === before) past.value = { cursor: at, state, time: state.updated_at };
        setFound({ key, state });
      },
      (problem) => ending.signal.aborted || setFound({ key, problem }),
    );
    return () => ending.abort();
  }, [run, key]);

  const shown = past.value;
  const held = found?.key === key ? found : null;
  const state = shown ? shown.state : key ? held?.state : latest;
  const stands = shown?.time ?? (attempt ? state?.ended_at ?? state?.updated_at : undefined);
  useLayoutEffect(() => {
    still.value = stands === undefined ? null : moment(stands);
    return () => {
      still.value = null;
    };
  }, [stands]);
  return {
    state,
    attempt: shown ? undefined : attempt,
    at: shown?.cursor ?? at,
    problem: held?.problem,
  };
}
