/** The tab of a run that shows its events, and leads to any moment of its past. */

import { html, useEffect, useMemo, useRef, useState } from "../../../vendor/preact.js";
import { encoded, get } from "../../../core/api.js";
import { useKeys } from "../../../core/keys.js";
import { ask } from "../../../core/route.js";
import { events as words } from "../../../text/events.js";
import { past } from "../past.js";
import { EventDetail } from "./detail.js";
import { History } from "./history.js";
import { EventRows } from "./rows.js";
import { Scrubber } from "./scrubber.js";
import { MOST, Story } from "./story.js";

/** Milliseconds that a moment is shown before the address names it: browsers allow few changes. */
const SETTLED = 400;

/** @param {{run: string, at?: string}} props */
export default function EventsTab({ run, at }) {
  const story = useMemo(() => new Story(run), [run]);
  const history = useMemo(() => new History(run), [run]);
  useEffect(() => () => {
    story.stop();
    history.stop();
  }, [story, history]);
  const [, read] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [kind, setKind] = useState("");
  const [sought, setSought] = useState("");
  const settling = useRef(0);
  const wanted = useRef("");

  const version = story.version.value;
  const { events } = story;
  const place = at === undefined ? -1 : events.findIndex((event) => event.cursor === at);
  const found = useMemo(() => chosen(events, kind, sought), [version, events, kind, sought]);
  const kinds = useMemo(() => [...new Set(events.map((event) => event.type))].sort(), [version, events]);

  /** @param {number} to the place of an event; -1 is now */
  const show = (to) => {
    const event = events[to];
    wanted.current = event?.cursor ?? "";
    clearTimeout(settling.current);
    settling.current = window.setTimeout(() => ask({ at: event?.cursor }), SETTLED);
    if (!event) {
      past.value = null;
      ask({ at: null });
      return;
    }
    const known = history.at(event.cursor);
    if (known) past.value = known;
    else void learn(event);
  };
  /** @param {import("./story.js").StoredEvent} event */
  const learn = async (event) => {
    const reading = history.read().then(() => read((n) => n + 1), () => {});
    const state = await get(`/v1/runs/${encoded(run)}?at=${encoded(event.cursor)}`).catch(() => null);
    if (!state) await reading;
    const then = history.at(event.cursor) ?? (state && { cursor: event.cursor, state, time: event.time ?? "" });
    if (then && wanted.current === event.cursor) past.value = then;
  };
  const move = (/** @type {number} */ by) => {
    const from = place < 0 ? events.length - 1 : place;
    const to = Math.max(0, Math.min(events.length - 1, from + by));
    show(to === events.length - 1 && by > 0 ? -1 : to);
  };
  useKeys(words.keys.title, [
    { key: "ArrowLeft", does: words.keys.back, act: () => move(-1) },
    { key: "ArrowRight", does: words.keys.forward, act: () => move(1) },
    { key: "k", does: words.keys.play, act: () => setPlaying((was) => !was) },
    { key: "n", does: words.keys.now, act: () => show(-1) },
  ], [place, version]);

  const event = place < 0 ? null : events[place];
  return html`<section class="events" aria-label=${words.title}>
    <${Scrubber} events=${events} place=${place} onPlace=${show} playing=${playing} onPlaying=${setPlaying} />
    <div class="event-tools">
      <input type="search" placeholder=${words.search} aria-label=${words.search} value=${sought}
        onInput=${(/** @type {any} */ e) => setSought(e.target.value)} />
      <select aria-label=${words.type} value=${kind} onChange=${(/** @type {any} */ e) => setKind(e.target.value)}>
        <option value="">${words.every}</option>
        ${kinds.map((name) => html`<option value=${name}>${name.slice(0, 80)}</option>`)}
      </select>
      <span class="muted numbers">${story.shortened ? words.shorter(MOST) : words.count(found.length, events.length)}</span>
      <a href=${`/compare?a=${encoded(run)}`}>${words.compare}</a>
    </div>
    ${story.problem.value && html`<p role="alert">${words.refused(story.problem.value)}</p>`}
    ${!found.length && html`<p class="muted">${events.length ? words.none : words.loading}</p>`}
    <div class="event-frame" data-open=${event ? "" : undefined}>
      <${EventRows} key=${`${kind} ${sought}`} events=${events} found=${found} place=${place} onShow=${show} />
      ${event && html`<${EventDetail} event=${event} patch=${history.patch(event.cursor)} />`}
    </div>
  </section>`;
}

/**
 * The places of the events that are asked for.
 *
 * @param {import("./story.js").StoredEvent[]} events
 * @param {string} kind
 * @param {string} sought
 */
function chosen(events, kind, sought) {
  const word = sought.trim().toLowerCase();
  const found = [];
  for (let i = 0; i < events.length; i++)
    if ((!kind || events[i].type === kind) && (!word || JSON.stringify(events[i]).toLowerCase().includes(word)))
      found.push(i);
  return found;
}
