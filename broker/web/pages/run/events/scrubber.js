/** The slider over all events of a run: where it stands, the whole page shows the run as it was. */

import { html, useEffect, useState } from "../../../vendor/preact.js";
import { clock, moment } from "../../../core/format.js";
import { events as words } from "../../../text/events.js";
import { Icon } from "../../../parts/icons.js";

/** Seconds in which a whole story is played, and how often a picture is shown. */
const PLAYED_IN = 20;
const PICTURE_EVERY = 100;

/**
 * @param {object} props
 * @param {import("./story.js").StoredEvent[]} props.events
 * @param {number} props.place of the event whose state is shown; -1 is now
 * @param {(place: number) => void} props.onPlace
 * @param {boolean} props.playing
 * @param {(playing: boolean) => void} props.onPlaying
 */
export function Scrubber({ events, place, onPlace, playing, onPlaying }) {
  const last = events.length - 1;
  const shown = place < 0 ? last : place;
  const [now, setNow] = useState(shown);
  useEffect(() => setNow(shown), [shown]);
  useEffect(() => {
    if (!playing) return;
    const stride = Math.max(1, Math.round(events.length / ((PLAYED_IN * 1000) / PICTURE_EVERY)));
    const timer = setInterval(() => {
      const next = Math.min(last, (place < 0 ? -1 : place) + stride);
      onPlace(next === last ? -1 : next);
      if (next === last) onPlaying(false);
    }, PICTURE_EVERY);
    return () => clearInterval(timer);
  }, [playing, place, last]);
  const event = events[shown];
  return html`<div class="scrubber">
    <${Step} to="back" label=${words.step.back} off=${shown <= 0} act=${() => onPlace(shown - 1)} />
    <button onClick=${() => onPlaying(!playing)} disabled=${last < 1}>${playing ? words.stop : words.play}</button>
    <${Step} to="forth" label=${words.step.forward} off=${shown >= last} act=${() => onPlace(shown + 1 >= last ? -1 : shown + 1)} />
    <input type="range" min="0" max=${Math.max(0, last)} value=${now} aria-label=${words.scrub}
      aria-valuetext=${event ? words.place(shown + 1, last + 1, event.type) : words.now}
      onInput=${(/** @type {any} */ e) => {
        setNow(Number(e.target.value));
        onPlace(Number(e.target.value) === last ? -1 : Number(e.target.value));
      }} />
    <output class="numbers">${place < 0 ? words.now : clock(moment(event?.time))}</output>
  </div>`;
}

/**
 * A button that keeps the focus also at the end of the way, where it does nothing.
 *
 * @param {{to: "back" | "forth", label: string, off: boolean, act: () => void}} props
 */
function Step({ to, label, off, act }) {
  return html`<button class="plain" aria-label=${label} aria-disabled=${off || undefined} onClick=${() => off || act()}>
    <span class=${to === "back" ? "turned" : undefined}><${Icon} name="right" /></span></button>`;
}
