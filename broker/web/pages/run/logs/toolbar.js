/** What is above a log: which lines are shown, how, and where they can be had as a file. */

import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { encoded } from "../../../core/api.js";
import { called } from "../../../core/format.js";
import { ask } from "../../../core/route.js";
import { toast } from "../../../parts/announce.js";
import { Icon } from "../../../parts/icons.js";
import { logs } from "../../../text/logs.js";

/** Milliseconds after the last letter before what is typed is looked for. */
const TYPED = 250;
/** Steps that a menu can show; of more, the name is typed. */
const MENU = 200;

/**
 * @param {object} props
 * @param {string} props.run
 * @param {Record<string, {name?: string}>} props.steps
 * @param {string | undefined} props.level
 * @param {string | undefined} props.step
 * @param {string} props.sought
 * @param {{current: HTMLInputElement | null}} props.find
 * @param {number | undefined} props.attempt
 * @param {boolean} props.wrap
 * @param {() => void} props.onWrap
 * @param {import("../../../vendor/preact.js").Signal<"relative" | "local" | "utc" | "none">} props.times
 */
export function Toolbar({ run, steps, level, step, sought, find, attempt, wrap, onWrap, times }) {
  return html`<div class="log-tools">
    <${Find} sought=${sought} find=${find} />
    <select aria-label=${logs.level} value=${level ?? "debug"} onChange=${(/** @type {any} */ e) =>
      ask({ level: e.target.value === "debug" ? null : e.target.value })}>
      ${Object.entries(logs.levels).map(([name, word]) => html`<option value=${name}>${word}</option>`)}
    </select>
    <${StepChoice} steps=${steps} step=${step} />
    <select aria-label=${logs.times} value=${times.value} onChange=${(/** @type {any} */ e) => (times.value = e.target.value)}>
      ${Object.entries(logs.timeForms).map(([name, word]) => html`<option value=${name}>${word}</option>`)}
    </select>
    <button aria-pressed=${wrap} onClick=${onWrap}>${logs.wrap}</button>
    <${Download} run=${run} attempt=${attempt} />
  </div>`;
}

/** A menu, which goes away once something of it is chosen. @param {{run: string, attempt: number | undefined}} props */
function Download({ run, attempt }) {
  const menu = useRef(/** @type {HTMLDetailsElement | null} */ (null));
  const close = () => {
    if (!menu.current?.open) return;
    menu.current.open = false;
    menu.current.querySelector("summary")?.focus();
  };
  /** @param {string} type @param {string} suffix */
  const choose = (type, suffix) => {
    close();
    void save(run, type, suffix, attempt);
  };
  return html`<details ref=${menu} class="menu" onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close()}>
    <summary class="button"><${Icon} name="download" />${logs.download}</summary>
    <div class="menu-items">
      <button class="plain" onClick=${() => choose("text/plain", "log")}>${logs.asText}</button>
      <button class="plain" onClick=${() => choose("application/x-ndjson", "ndjson")}>${logs.asLines}</button>
    </div></details>`;
}

/** @param {{sought: string, find: {current: HTMLInputElement | null}}} props */
function Find({ sought, find }) {
  const [typed, setTyped] = useState(sought);
  useEffect(() => {
    if (typed === sought) return;
    const timer = setTimeout(() => ask({ find: typed }), TYPED);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => setTyped(sought), [sought]);
  return html`<input ref=${find} type="search" class="log-find" placeholder=${logs.search} aria-label=${logs.search}
    value=${typed} maxlength="200" onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} />`;
}

/** @param {{steps: Record<string, {name?: string}>, step: string | undefined}} props */
function StepChoice({ steps, step }) {
  const names = Object.keys(steps);
  const choose = (/** @type {any} */ e) => ask({ step: e.target.value || null });
  if (!names.length && !step) return null;
  if (names.length > MENU)
    return html`<input class="log-step-name" aria-label=${logs.step} placeholder=${logs.step} value=${step ?? ""}
      onChange=${choose} />`;
  return html`<select class="log-step-name" aria-label=${logs.step} value=${step ?? ""} onChange=${choose}>
      <option value="">${logs.everyStep}</option>
      ${names.map((name) => html`<option value=${name}>${called(steps[name].name, name).slice(0, 80)}</option>`)}
    </select>`;
}

/**
 * Save the whole log as a file; a link could not say which form it wants.
 *
 * @param {string} run
 * @param {string} type
 * @param {string} suffix
 * @param {number | undefined} attempt
 */
async function save(run, type, suffix, attempt) {
  const which = attempt === undefined ? "" : `?attempt=${attempt}`;
  try {
    const response = await fetch(`/v1/runs/${encoded(run)}/logs${which}`, { headers: { Accept: type } });
    if (!response.ok) throw new Error(String(response.status));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = `${run.replace(/[^\w.-]+/g, "_").slice(0, 100)}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch {
    toast(logs.downloading, "refused");
  }
}
