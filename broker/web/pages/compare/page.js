/** Two runs side by side: where the time went, and what ended otherwise. Live, if they still run. */

import { html, useEffect, useMemo, useState } from "../../vendor/preact.js";
import { encoded, get } from "../../core/api.js";
import { now } from "../../core/clock.js";
import { called, date, duration, full, moment } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { ask, query } from "../../core/route.js";
import { ENDED, Status } from "../../parts/status.js";
import { Virtual } from "../../parts/virtual.js";
import { common } from "../../text/common.js";
import { compare as words } from "../../text/compare.js";
import { Ahead } from "../run/ahead.js";
import { useSettled } from "../run/settled.js";
import { already, differs, farOf, longer, marks, paired } from "./steps.js";

const ROW = 52;
/** Seconds below which two durations count as the same. */
const SAME = 0.05;

export default function ComparePage() {
  const a = query.value.get("a") ?? "";
  const b = query.value.get("b") ?? "";
  const first = useFollowed(a);
  const second = useFollowed(b);
  useEffect(() => {
    document.title = `${words.title} · ${common.product}`;
  }, []);
  const missing = [first, second].some((shown) => shown?.problem && !shown.state);
  return html`<article class="compare">
    <h1>${words.title}</h1>
    <${Choice} a=${a} b=${b} pipeline=${(first?.state ?? second?.state)?.pipeline} />
    ${[{ run: a, shown: first }, { run: b, shown: second }].map(({ run, shown }) => shown?.problem
      && html`<p key=${run} class="compare-refused wrap" role="alert">${words.refused(run, shown.problem.message)}</p>`)}
    ${a && b ? !missing && html`<${Both} a=${first?.state} b=${second?.state} />` : html`<p class="muted">${words.choose}</p>`}
  </article>`;
}

/** @param {string} run */
function useFollowed(run) {
  const followed = useMemo(() => (run ? follow({ run }) : null), [run]);
  useEffect(() => () => followed?.stop(), [followed]);
  const shown = followed?.shown.value;
  const state = useSettled(shown?.state);
  return shown && { ...shown, state };
}

/** @param {{a: string, b: string, pipeline?: string}} props */
function Choice({ a, b, pipeline }) {
  const [typed, setTyped] = useState({ a, b });
  const [last, setLast] = useState(/** @type {any[]} */ ([]));
  useEffect(() => setTyped({ a, b }), [a, b]);
  useEffect(() => {
    if (!pipeline) return;
    get(`/v1/pipelines/${encoded(pipeline)}`).then((told) => setLast(told.last ?? []), () => setLast([]));
  }, [pipeline]);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    ask({ a: typed.a.trim(), b: typed.b.trim() });
  };
  return html`<form class="compare-choice" onSubmit=${submit}>
    ${/** @type {const} */ (["a", "b"]).map((side) => html`<label key=${side}>${words[side]}
      <input list="last-runs" value=${typed[side]} maxlength="256" spellcheck=${false}
        onInput=${(/** @type {any} */ e) => setTyped({ ...typed, [side]: e.target.value })} /></label>`)}
    <datalist id="last-runs">${last.map(({ run, status }) => html`<option value=${run}>${status}</option>`)}</datalist>
    <button class="primary">${words.go}</button>
    <button type="button" onClick=${() => ask({ a: b, b: a })}>${words.swap}</button>
  </form>`;
}

/** @param {{a: any, b: any}} props */
function Both({ a, b }) {
  const [order, setOrder] = useState(/** @type {import("./steps.js").Order} */ ("plan"));
  const pairs = useMemo(() => paired(a, b, order), [a?.steps, b?.steps, order]);
  const different = useMemo(() => marks(a, b), [a?.labels, a?.metadata, b?.labels, b?.metadata]);
  if (!a || !b) return html`<p class="muted">${common.loading}</p>`;
  const at = ENDED.has(a.status) && ENDED.has(b.status) ? 0 : now.value;
  /** @param {import("./steps.js").Pair} pair @returns {Measured} */
  const measured = (pair) => ({ pair, a: pair.a && farOf(pair.a, a, at), b: pair.b && farOf(pair.b, b, at) });
  const rows = pairs.map(measured);
  const whole = measured({ id: "", name: words.whole, a, b, slower: longer(a, b) });
  const longest = longestOf(rows);
  return html`<section class="compare-both">
    <div class="compare-heads">${[a, b].map((state, side) => html`<div key=${side} class="card compare-head">
        <a class="clip" href=${`/runs/${encoded(state.run)}`} title=${state.run}>${called(state.name, state.run)}</a>
        <${Status} status=${state.status} />
        <span class="muted numbers" title=${full(moment(state.started_at ?? state.queued_at))}>${date(moment(state.started_at ?? state.queued_at))}</span>
        ${state.error && html`<p class="compare-error wrap">${state.error.message}</p>`}
      </div>`)}</div>
    <ul class="card" aria-label=${words.whole}><${Row} row=${whole} longest=${longestOf([whole])} /></ul>
    <label class="compare-order">${words.sort}
      <select value=${order} onChange=${(/** @type {any} */ e) => setOrder(e.target.value)}>
        ${Object.entries(words.sorts).map(([name, word]) => html`<option value=${name}>${word}</option>`)}</select></label>
    ${pairs.length
      ? html`<${Virtual} class="card compare-steps" label=${words.steps} count=${pairs.length} height=${ROW}
          row=${(/** @type {number} */ index) => html`<${Row} key=${pairs[index].id} row=${rows[index]} longest=${longest} />`} />`
      : html`<p class="muted">${words.none}</p>`}
    <h2>${words.labels}</h2>
    ${different.length
      ? html`<dl class="compare-marks card">${different.map(({ name, a, b }) => html`<div key=${name}>
          <dt class="clip" title=${name}>${name}</dt><dd class="clip" title=${a}>${a || "–"}</dd><dd class="clip" title=${b}>${b || "–"}</dd></div>`)}</dl>`
      : html`<p class="muted">${words.same}</p>`}
  </section>`;
}

/** @typedef {{pair: import("./steps.js").Pair, a: import("./steps.js").Far | undefined, b: import("./steps.js").Far | undefined}} Measured */

/** Seconds of the longest of all sides; what bars are drawn against. @param {Measured[]} rows */
const longestOf = (rows) => rows.reduce((most, { a, b }) => Math.max(most, a?.seconds ?? 0, b?.seconds ?? 0), 1e-3);

/** @param {{row: Measured, longest: number}} props */
function Row({ row: { pair, a, b }, longest }) {
  const least = pair.slower === null && a && b ? already(a, b) : null;
  const slower = least ?? pair.slower;
  return html`<li role="listitem" class="compare-row" data-differs=${differs(pair) ? "" : undefined}>
    <span class="clip" title=${pair.name}>${pair.name}</span>
    <${Side} name=${words.a} step=${pair.a} far=${a} longest=${longest} missing=${words.only.b} />
    <${Side} name=${words.b} step=${pair.b} far=${b} longest=${longest} missing=${words.only.a} />
    <span class="numbers compare-by" data-way=${way(slower)}>${least === null ? said(slower) : words.atLeast(said(slower))}</span>
  </li>`;
}

/** @param {{name: string, step: any, far: import("./steps.js").Far | undefined, longest: number, missing: string}} props */
function Side({ name, step, far, longest, missing }) {
  if (!step || !far) return html`<span class="muted">${missing}</span>`;
  return html`<span class="compare-side"><span class="hidden">${name}: </span><${Status} status=${step.status} quiet />
    <span class="compare-bar" data-status=${step.status} data-standing=${far.standing}><i style=${{ width: `${((far.seconds ?? 0) / longest) * 100}%` }} /></span>
    <span class="numbers compare-took"><${Took} step=${step} far=${far} /></span></span>`;
}

/** @param {{step: any, far: import("./steps.js").Far}} props */
function Took({ step, far: { standing, seconds } }) {
  if (standing === "ahead") return html`<${Ahead} at=${moment(step.started_at)} />`;
  const more = words.standing[standing];
  if (seconds === undefined) return more ? html`<small>${more}</small>` : duration(seconds);
  return html`${duration(seconds)} ${more && html`<small>${more}</small>`}`;
}

/** @param {number | null} slower */
function way(slower) {
  if (slower === null || Math.abs(slower) < SAME) return "same";
  return slower > 0 ? "slower" : "faster";
}

/** @param {number | null} slower */
function said(slower) {
  if (slower === null) return "";
  const how = way(slower);
  return how === "same" ? words.equal : words[how](duration(Math.abs(slower)));
}
