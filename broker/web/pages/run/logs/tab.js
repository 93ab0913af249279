/** The tab of a run that shows its log. */

import { html, useEffect, useMemo, useRef, useState } from "../../../vendor/preact.js";
import { moment } from "../../../core/format.js";
import { kept } from "../../../core/keep.js";
import { useKeys } from "../../../core/keys.js";
import { ask, go, hash, query } from "../../../core/route.js";
import { common } from "../../../text/common.js";
import { logs } from "../../../text/logs.js";
import { Toolbar } from "./toolbar.js";
import { LogView } from "./view.js";
import { LogWindow } from "./window.js";

const ADDRESS = /^[0-9a-z]+-\d+\.\d+$/;

const wrapped = kept("log-wrap", /** @type {const} */ (["off", "on"]));
const times = kept("log-times", /** @type {const} */ (["relative", "local", "utc", "none"]));

/** @param {{run: string, state: any, attempt?: number}} props */
export default function LogTab({ run, state, attempt }) {
  const level = query.value.get("level") ?? undefined;
  const step = query.value.get("step") ?? undefined;
  const sought = query.value.get("find") ?? "";
  const chosen = ADDRESS.test(hash.value) ? hash.value : null;
  const [following, setFollowing] = useState(chosen === null);
  const [seen, setSeen] = useState(0);
  const find = useRef(/** @type {HTMLInputElement | null} */ (null));

  const log = useMemo(
    () => new LogWindow(run, { level, step, q: sought || undefined, attempt: attempt?.toString() }),
    [run, level, step, sought, attempt],
  );
  useEffect(() => {
    if (chosen) void log.around(chosen);
    else log.follow();
    setFollowing(chosen === null);
    return () => log.stop();
  }, [log]);
  useEffect(() => {
    if (chosen && !log.lines.some((line) => line.address === chosen)) void log.around(chosen);
  }, [chosen]);

  const count = log.version.value >= 0 ? log.lines.length + log.gone : 0;
  useEffect(() => {
    if (following) setSeen(count);
  }, [following, count]);
  const toEnd = () => {
    if (chosen) go(location.pathname + location.search, { replace: true });
    if (log.standing.value === "paged" || log.standing.value === "refused") log.follow();
    setFollowing(true);
  };
  const toBeginning = () => {
    setFollowing(false);
    if (!log.atBeginning.value) void log.beginning();
    document.querySelector(".log-box")?.scrollTo({ top: 0 });
  };
  const choose = (/** @type {number} */ by) => {
    const at = log.lines.findIndex((line) => line.address === chosen);
    const next = log.lines[at < 0 ? log.lines.length - 1 : Math.max(0, Math.min(log.lines.length - 1, at + by))];
    setFollowing(false);
    if (next) go(`${location.pathname}${location.search}#${next.address}`, { replace: true });
  };
  const turnWrap = () => (wrapped.value = wrapped.value === "on" ? "off" : "on");
  useKeys(logs.keys.title, [
    { key: "/", does: logs.keys.find, act: () => find.current?.focus() },
    { key: "f", does: logs.keys.end, act: toEnd },
    { key: "b", does: logs.keys.top, act: toBeginning },
    { key: "w", does: logs.keys.wrap, act: turnWrap },
    { key: "[", does: logs.keys.earlier, act: () => choose(-1) },
    { key: "]", does: logs.keys.later, act: () => choose(1) },
  ], [log, chosen]);

  const fresh = following ? 0 : count - seen;
  return html`<section class="logs" aria-label=${logs.title}>
    <${Toolbar} run=${run} steps=${state?.steps ?? {}} level=${level} step=${step} sought=${sought} find=${find}
      attempt=${attempt} wrap=${wrapped.value === "on"} onWrap=${turnWrap} times=${times} />
    <div class="log-frame">
      <${Standing} log=${log} sought=${Boolean(sought || level || step)} />
      <${LogView} log=${log} wrap=${wrapped.value === "on"} following=${following} onFollowing=${setFollowing}
        chosen=${chosen} form=${times.value} start=${moment(state?.started_at ?? state?.queued_at)} sought=${sought}
        href=${(/** @type {string} */ address) => `${location.pathname}${location.search}#${address}`} />
      <div class="log-ends">
        <button onClick=${toBeginning}>${logs.beginning}</button>
        ${following
          ? html`<span class="muted">${log.standing.value === "ended" ? logs.ended : logs.following}</span>`
          : html`<button class="primary" onClick=${toEnd}>${fresh > 0 ? `↓ ${logs.fresh(fresh)}` : logs.end}</button>`}
      </div>
    </div>
  </section>`;
}

/** @param {{log: LogWindow, sought: boolean}} props */
function Standing({ log, sought }) {
  log.version.value;
  const problem = log.problem.value;
  if (problem)
    return html`<p class="log-note" role="alert"><span class="wrap">${logs.refused(problem.message)}</span>
      <button onClick=${() => log.again()}>${common.retry}</button></p>`;
  if (log.lines.length) return log.reading.value ? html`<p class="log-note">${logs.earlier}</p>` : null;
  if (log.standing.value === "loading" || log.reading.value) return html`<p class="log-note">${logs.loading}</p>`;
  if (!sought) return html`<p class="log-note">${logs.none}</p>`;
  const all = () => ask({ level: null, step: null, find: null });
  return html`<p class="log-note">${logs.noneFound} <button onClick=${all}>${logs.everything}</button></p>`;
}
