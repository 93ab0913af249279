/** Two runs side by side: where the time went, and what ended otherwise. Live, if they still run. */

import { html, useEffect, useMemo, useState } from "../../vendor/preact.js";
import { encoded, get } from "../../core/api.js";
import { called, date, duration, moment } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { ask, query } from "../../core/route.js";
import { Status } from "../../parts/status.js";
import { Virtual } from "../../parts/virtual.js";
import { common } from "../../text/common.js";
import { compare as words } from "../../text/compare.js";
import { useSettled } from "../run/settled.js";
import { differs, longer, marks, paired } from "./steps.js";

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
      && html`<p key=${run} role="alert">${words.refused(run, shown.problem.message)}</p>`)}
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
  const longest = pairs.reduce((most, { a, b }) => Math.max(most, a?.duration ?? 0, b?.duration ?? 0), 1e-3);
  const whole = { id: "", name: words.whole, a, b, slower: longer(a, b) };
  return html`<section class="compare-both">
    <div class="compare-heads">${[a, b].map((state, side) => html`<div key=${side} class="card compare-head">
        <a class="clip" href=${`/runs/${encoded(state.run)}`} title=${state.run}>${called(state.name, state.run)}</a>
        <${Status} status=${state.status} />
        <span class="muted numbers">${date(moment(state.started_at ?? state.queued_at))}</span>
        ${state.error && html`<p class="compare-error wrap">${state.error.message}</p>`}
      </div>`)}</div>
    <ul class="card" aria-label=${words.whole}><${Row} pair=${whole} longest=${Math.max(a.duration ?? 0, b.duration ?? 0)} /></ul>
    <label class="compare-order">${words.sort}
      <select value=${order} onChange=${(/** @type {any} */ e) => setOrder(e.target.value)}>
        ${Object.entries(words.sorts).map(([name, word]) => html`<option value=${name}>${word}</option>`)}</select></label>
    ${pairs.length
      ? html`<${Virtual} class="card compare-steps" label=${words.steps} count=${pairs.length} height=${ROW}
          row=${(/** @type {number} */ index) => html`<${Row} key=${pairs[index].id} pair=${pairs[index]} longest=${longest} />`} />`
      : html`<p class="muted">${words.none}</p>`}
    <h2>${words.labels}</h2>
    ${different.length
      ? html`<dl class="compare-marks card">${different.map(({ name, a, b }) => html`<div key=${name}>
          <dt class="clip" title=${name}>${name}</dt><dd class="clip" title=${a}>${a || "–"}</dd><dd class="clip" title=${b}>${b || "–"}</dd></div>`)}</dl>`
      : html`<p class="muted">${words.same}</p>`}
  </section>`;
}

/** @param {{pair: import("./steps.js").Pair, longest: number}} props */
function Row({ pair, longest }) {
  const { a, b, slower } = pair;
  return html`<li role="listitem" class="compare-row" data-differs=${differs(pair) ? "" : undefined}>
    <span class="clip" title=${pair.name}>${pair.name}</span>
    <${Side} step=${a} longest=${longest} missing=${words.only.b} />
    <${Side} step=${b} longest=${longest} missing=${words.only.a} />
    <span class="numbers compare-by" data-way=${way(slower)}>${said(slower)}</span>
  </li>`;
}

/** @param {{step: any, longest: number, missing: string}} props */
function Side({ step, longest, missing }) {
  if (!step) return html`<span class="muted">${missing}</span>`;
  return html`<span class="compare-side"><${Status} status=${step.status} quiet />
    <span class="compare-bar" data-status=${step.status}><i style=${{ width: `${((step.duration ?? 0) / (longest || 1)) * 100}%` }} /></span>
    <span class="numbers">${duration(step.duration)}</span></span>`;
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
