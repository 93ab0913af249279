/** One event in full: as it was stored, and what it changed of the state. */

import { html } from "../../../vendor/preact.js";
import { toast } from "../../../parts/announce.js";
import { copy } from "../../../parts/copy.js";
import { common } from "../../../text/common.js";
import { events as words } from "../../../text/events.js";

/** Characters of an event that are shown; a text that is longer helps nobody. */
const LONGEST = 20_000;

/**
 * @param {object} props
 * @param {import("./story.js").StoredEvent} props.event
 * @param {any} props.patch what it changed; nothing where that is not known
 */
export function EventDetail({ event, patch }) {
  const copyLink = async () => ((await copy(location.href)) ? toast(common.copied) : toast(common.notCopied, "refused"));
  return html`<div class="event-detail">
    <section><h2>${words.raw}</h2><pre tabindex="0" class="wrap">${json(event)}</pre></section>
    <section><h2>${words.changed}</h2>
      ${patch === undefined ? html`<p class="muted">${words.notKept}</p>`
        : changes(patch) ? html`<pre tabindex="0" class="wrap">${json(patch)}</pre>`
        : html`<p class="muted">${words.nothing}</p>`}</section>
    <button onClick=${copyLink}>${words.copyLink}</button>
  </div>`;
}

/** @param {any} patch */
function changes(patch) {
  return Object.keys(patch).some((name) => name !== "cursor" && name !== "events");
}

/** @param {any} value */
function json(value) {
  const text = JSON.stringify(value, null, 2);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
