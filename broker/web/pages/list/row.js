/** One run of the list: a line with its cells, and what is folded out below it. */

import { html, useMemo } from "../../vendor/preact.js";
import { encoded } from "../../core/api.js";
import { now } from "../../core/clock.js";
import { duration, percent } from "../../core/format.js";
import { Bar } from "../../parts/bar.js";
import { Icon } from "../../parts/icons.js";
import { memo } from "../../parts/memo.js";
import { Status } from "../../parts/status.js";
import { list } from "../../text/list.js";
import { turn } from "./address.js";
import { Chips } from "./chips.js";
import { Details } from "./details.js";
import { Recent } from "./recent.js";
import { amount, elapsed, ending, farAlong, fraction, gist, latest, moments, nameOf } from "./telling.js";

const words = list.row;

/**
 * @typedef {object} RowProps
 * @property {string} run
 * @property {any} row the summary
 * @property {boolean} gone whether it left the list meanwhile
 * @property {number} place
 * @property {number} count of all rows
 * @property {number} height in pixels
 * @property {boolean} open
 * @property {boolean} active whether the keys act on it
 * @property {boolean} chosen
 * @property {(place: number, run: string, range: boolean) => void} choose
 * @property {(run: string, pixels: number) => void} grown told how tall what is folded out is
 */

export const Row = memo(/** @param {RowProps} props */ (props) => {
  const { run, row, gone, place, count, height, open, active, chosen, choose, grown } = props;
  const name = nameOf(row);
  const id = `runs-details-${place}`;
  return html`<div
    class="runs-row" role="listitem" aria-posinset=${place + 1} aria-setsize=${count} data-place=${place}
    data-status=${row.status} data-gone=${gone || undefined} data-active=${active || undefined} data-chosen=${chosen || undefined}
  >
    <div class="runs-line" style=${{ height: `${height}px` }}>
      <label class="runs-pick"><input type="checkbox" checked=${chosen} aria-label=${words.select(name)}
        onClick=${(/** @type {MouseEvent} */ event) => choose(place, run, event.shiftKey)} /></label>
      <div class="runs-status"><${Status} status=${row.status} />${row.attempt > 1 && html`<small class="muted">${words.attempt(row.attempt)}</small>`}</div>
      <div class="runs-who">
        <h2><a class="runs-name clip" href=${`/runs/${encoded(run)}`} title=${name} dir="auto">${name}</a>
          ${row.pipeline && html`<small class="runs-pipeline muted clip">${row.pipeline}</small>`}
          ${name !== run && html`<code class="muted clip" title=${run}>${run}</code>`}</h2>
        <${Chips} row=${row} />
      </div>
      <div class="runs-far">
        <${Bar} label=${words.progress(name)} status=${row.status} fraction=${fraction(row)} text=${farAlong(row) || undefined} />
        <span class="numbers"><${Far} row=${row} /></span>
      </div>
      <div class="runs-says">${gone ? html`<p class="runs-gone">${words.gone}</p>` : html`<${Says} row=${row} />`}</div>
      <${When} row=${row} />
      <div class="runs-recent">${row.pipeline && html`<${Recent} pipeline=${row.pipeline} />`}</div>
      <button class="plain runs-turn" aria-expanded=${open} aria-controls=${open ? id : undefined} aria-label=${words.open(name)}
        onClick=${() => turn(run)}><${Icon} name=${open ? "up" : "down"} /></button>
    </div>
    ${open && html`<${Details} id=${id} row=${row} grown=${grown} />`}
  </div>`;
});

/** A row that is not known yet. @param {{place: number, count: number, height: number}} props */
export const Placeholder = memo(/** @param {{place: number, count: number, height: number}} props */ (props) =>
  html`<div class="runs-row" role="listitem" aria-posinset=${props.place + 1} aria-setsize=${props.count} data-place=${props.place}>
    <div class="runs-line runs-unknown" style=${{ height: `${props.height}px` }}><span class="hidden">${words.loading}</span>
      <i /><i /><i /></div>
  </div>`);

/** @param {{row: any}} props */
function Far({ row }) {
  const share = fraction(row);
  return html`<span class="clip">${[share === null ? null : percent(share), amount(row)].filter(Boolean).join(" · ")}</span>`;
}

/** @param {{row: any}} props */
function Says({ row }) {
  const { text, kind } = gist(row, row.status === "lost" ? now.value : 0);
  const beside = kind === "plain" || row.message === text ? "" : row.message;
  return html`<p class="clip" data-kind=${kind} title=${text} dir="auto">${text}</p>
    ${row.unanswered > 0 ? html`<p class="runs-unanswered"><${Icon} name="queued" />${words.unanswered(row.unanswered)}</p>`
      : beside && html`<p class="clip muted" title=${beside} dir="auto">${beside}</p>`}`;
}

/** @param {{row: any}} props */
function When({ row }) {
  const at = now.value;
  const took = elapsed(row, at);
  const ends = ending(row, at);
  return html`<div class="runs-when numbers" title=${useMemo(() => moments(row), [row])}>
    <p><b>${took === null ? "" : duration(took)}</b>
      ${ends && html`<span class="runs-ends" data-overdue=${row.eta?.overdue || undefined}>${ends}</span>`}</p>
    <p class="muted">${latest(row, at)}</p>
  </div>`;
}
