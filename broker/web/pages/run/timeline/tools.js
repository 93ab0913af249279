/** What can be asked of the timeline: which lanes, how near, how drawn. */

import { html } from "../../../vendor/preact.js";
import { Icon } from "../../../parts/icons.js";
import { text } from "../../../text/run.js";

/**
 * @typedef {object} Wishes
 * @property {string} words
 * @property {import("./lanes.js").Show} show
 * @property {boolean} folds idle time is left out
 * @property {boolean} table
 */

/** @type {import("./lanes.js").Show[]} */
const SHOWS = ["all", "begun", "active", "failed"];
const NEARER = 1 / 1.6;
const MOVE = 0.25;

/**
 * @param {{wishes: Wishes, wish: (changed: Partial<Wishes>) => void, sight: import("./sight.js").Sight, live: boolean}} props
 *   `live`: the run goes on
 */
export function Tools({ wishes, wish, sight, live }) {
  const words = text.timeline;
  return html`<div class="time-tools">
    <label class="search"><${Icon} name="search" /><span class="hidden">${words.filter}</span>
      <input type="search" placeholder=${words.filter} value=${wishes.words}
        onInput=${(/** @type {any} */ event) => wish({ words: event.currentTarget.value })} /></label>
    <label><span class="hidden">${words.show}</span>
      <select value=${wishes.show} onChange=${(/** @type {any} */ event) => wish({ show: event.currentTarget.value })}>
        ${SHOWS.map((show) => html`<option key=${show} value=${show}>${words[show]}</option>`)}</select></label>
    <label class="check"><input type="checkbox" checked=${wishes.folds}
      onChange=${(/** @type {any} */ event) => wish({ folds: event.currentTarget.checked })} />${words.idle}</label>
    <label class="check"><input type="checkbox" checked=${wishes.table}
      onChange=${(/** @type {any} */ event) => wish({ table: event.currentTarget.checked })} />${words.table}</label>
    ${!wishes.table && html`<div class="time-zoom" role="group" aria-label=${`${words.zoomIn}, ${words.zoomOut}`}>
      ${live && (sight.follows ? html`<span class="muted time-follows">${words.following}</span>` : html`<button onClick=${sight.last}>${words.now}</button>`)}
      <${Tool} icon="back" label=${words.earlier} off=${sight.whole} act=${() => sight.move(-MOVE)} />
      <${Tool} icon="minus" label=${words.zoomOut} off=${sight.whole} act=${() => sight.zoom(1 / NEARER)} />
      <${Tool} icon="plus" label=${words.zoomIn} act=${() => sight.zoom(NEARER)} />
      <${Tool} icon="forth" label=${words.later} off=${sight.whole || sight.follows} act=${() => sight.move(MOVE)} />
      <${Tool} icon="fit" label=${words.fit} off=${sight.whole} act=${sight.all} />
    </div>`}
  </div>`;
}

/** @param {{icon: string, label: string, act: () => void, off?: boolean}} props */
function Tool({ icon, label, act, off = false }) {
  return html`<button class="tool" aria-label=${label} title=${label} aria-disabled=${off || undefined} onClick=${() => off || act()}>
    <${Icon} name=${icon} /></button>`;
}
