/** The events as a list. It is one stop of the Tab key, whatever their number: arrow keys walk it. */

import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { clock, full, moment } from "../../../core/format.js";
import { touched } from "../../../core/media.js";
import { events as words } from "../../../text/events.js";
import { Virtual } from "../../../parts/virtual.js";
import { said } from "./said.js";

/** Heights of a row in pixels; styles/history.css says the same. */
const ROW = { small: 34, touched: 46 };

/**
 * @param {object} props
 * @param {import("./story.js").StoredEvent[]} props.events
 * @param {number[]} props.found the places of those that are listed
 * @param {number} props.place of the event whose state is shown; -1 is now
 * @param {(place: number) => void} props.onShow
 */
export function EventRows({ events, found, place, onShow }) {
  const handle = useRef(/** @type {any} */ (null));
  const [walked, walkTo] = useState(-1);
  const row = found.indexOf(place);
  useEffect(() => {
    if (row >= 0) handle.current?.reveal(row);
  }, [row]);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const from = walked >= 0 ? walked : row;
    const to = { ArrowDown: from + 1, ArrowUp: from < 0 ? found.length - 1 : from - 1, Home: 0, End: found.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(found.length - 1, to));
    walkTo(next);
    handle.current?.reveal(next);
  };
  return html`<div class="event-walk" onKeyDown=${onKeyDown}>
    <${Virtual} class="event-rows" label=${words.title} count=${found.length} height=${touched.value ? ROW.touched : ROW.small} handle=${handle}
      row=${(/** @type {number} */ index) => html`<${Row} key=${events[found[index]].cursor} event=${events[found[index]]}
        place=${found[index]} shown=${found[index] === place} walked=${index === walked} onShow=${onShow} />`} />
  </div>`;
}

/** @param {{event: import("./story.js").StoredEvent, place: number, shown: boolean, walked: boolean, onShow: (place: number) => void}} props */
function Row({ event, place, shown, walked, onShow }) {
  const button = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (walked) button.current?.focus({ preventScroll: true });
  }, [walked]);
  const at = moment(event.time);
  return html`<div role="listitem" class="event-row" data-kind=${event.type.split(".").pop()}>
    <button ref=${button} class="plain" tabindex=${walked ? 0 : -1} aria-pressed=${shown} onClick=${() => onShow(place)}>
      <span class="numbers muted">${place + 1}</span>
      <time class="numbers muted" title=${full(at)}>${clock(at)}</time>
      <code class="clip">${event.type}</code>
      <span class="clip">${said(event)}</span>
    </button>
  </div>`;
}
