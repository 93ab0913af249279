/** What a run made and what is known about it, beside its steps. */

import { html, useEffect, useMemo } from "../../vendor/preact.js";
import { called } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { CopyButton } from "../../parts/copy.js";
import { Icon } from "../../parts/icons.js";
import { Status } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { Tree } from "./tree.js";

/** @type {Record<string, string>} */
const ICONS = { image: "picture", picture: "picture", table: "table", dataset: "table", chart: "chart", plot: "chart", model: "box", link: "link" };
const CHILDREN = 100;

/** @param {{run: string, state: any}} props */
export default function Artefacts({ run, state }) {
  const words = text.artefacts;
  const { artifacts = [], truncated = {} } = state;
  return html`<div class="artefacts">
    <section class="card"><h2>${words.artefacts}</h2>
      ${artifacts.length ? html`<ul class="artefact-list">
        ${artifacts.map((/** @type {any} */ one) => html`<li key=${one.name}><${Artefact} ...${one} /></li>`)}</ul>`
        : html`<p class="muted">${words.none}</p>`}
      ${truncated.artifacts > 0 && html`<p class="muted">${words.truncated(truncated.artifacts)}</p>`}
    </section>
    <${Document} title=${words.outputs} value=${state.outputs} />
    <${Document} title=${words.metadata} value=${state.metadata} />
    <${Document} title=${words.resources} value=${state.resources} quiet />
    <section class="card"><h2>${words.labels}</h2><${Labels} labels=${state.labels ?? {}} /></section>
    <${Relatives} run=${run} state=${state} />
  </div>`;
}

/** @param {{name: string, uri: string, kind?: string, media_type?: string}} props */
function Artefact({ name, uri, kind, media_type: type }) {
  const about = [kind, type].filter(Boolean).join(" · ");
  return html`<${Icon} name=${ICONS[kind ?? ""] ?? (type?.startsWith("image/") ? "picture" : "file")} />
    <span class="artefact-name">
      ${opens(uri) ? html`<a class="wrap" href=${uri} rel="noopener noreferrer nofollow" target="_blank">${name}</a>`
        : html`<span class="wrap">${name}</span>`}
      <code class="wrap muted">${uri}</code>
    </span>
    ${about && html`<span class="muted wrap">${about}</span>`}
    ${!opens(uri) && html`<${CopyButton} text=${uri} />`}`;
}

/** Whether an address may be opened by a click: data of a run may name any scheme. @param {string} uri */
function opens(uri) {
  return /^https?:\/\//i.test(uri) && URL.canParse(uri);
}

/** @param {{title: string, value: unknown, quiet?: boolean}} props */
function Document({ title, value, quiet = false }) {
  const empty = value == null || Object.keys(value).length === 0;
  if (empty && quiet) return null;
  return html`<section class="card"><h2>${title}</h2>
    ${empty ? html`<p class="muted">${text.artefacts.none}</p>` : html`<${Tree} value=${value} />`}</section>`;
}

/** @param {{labels: Record<string, unknown>}} props */
function Labels({ labels }) {
  const entries = Object.entries(labels);
  if (!entries.length) return html`<p class="muted">${text.artefacts.none}</p>`;
  return html`<ul class="labels">${entries.map(([key, value]) => html`<li key=${key} class="wrap">
    <span class="muted">${key}:</span> ${String(value)}</li>`)}</ul>`;
}

/** @param {{run: string, state: any}} props */
function Relatives({ run, state }) {
  const words = text.artefacts;
  const list = useMemo(
    () => follow({ list: new URLSearchParams({ parent: run, sort: "queued_at", limit: String(CHILDREN) }).toString() }), [run]);
  useEffect(() => list.stop, [list]);
  const { rows = {}, order = [] } = list.shown.value.state ?? {};
  const { parent, retry_of: retryOf } = state;
  return html`${parent && html`<section class="card"><h2>${words.parent}</h2>
      <p class="wrap"><${RunLink} run=${parent.run} />${parent.step && ` ${words.step} ${parent.step}`}</p></section>`}
    ${retryOf && html`<section class="card"><h2>${words.retryOf}</h2><p class="wrap"><${RunLink} run=${retryOf} /></p></section>`}
    ${order.length > 0 && html`<section class="card"><h2>${words.children}</h2><ul class="children">
      ${order.map((/** @type {string} */ id) => html`<li key=${id}><${Status} status=${rows[id]?.status ?? "unknown"} />
        <${RunLink} run=${id} name=${rows[id]?.name} /></li>`)}</ul></section>`}`;
}

/** @param {{run: string, name?: string}} props */
function RunLink({ run, name }) {
  return html`<a class="wrap" href=${`/runs/${encodeURIComponent(run)}`}>${called(name, run)}</a>`;
}
