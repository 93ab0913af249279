/** Addresses to give to others. */

import { html, useState } from "../../vendor/preact.js";
import { encoded } from "../../core/api.js";
import { useKeys } from "../../core/keys.js";
import { CopyButton } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icons.js";
import { text } from "../../text/run.js";

/** @param {{run: string, state: any}} props */
export function Share({ run, state }) {
  const [open, setOpen] = useState(false);
  useKeys(text.keys.page, [{ key: "s", does: text.keys.share, act: () => setOpen(true) }]);
  return html`<button class="run-share" title=${text.share.title} onClick=${() => setOpen(true)}><${Icon} name="share" /><span>${text.share.title}</span></button>
    ${open && html`<${Dialog} title=${text.share.title} onClose=${() => setOpen(false)}>
      ${addresses(run, state).map(({ label, value }) => html`<div key=${label} class="share-row">
        <label>${label}<input readonly value=${value} onFocus=${selectAll} /></label>
        <${CopyButton} text=${value} label=${`${text.share.title}: ${label}`} />
      </div>`)}
    <//>`}`;
}

/** @param {string} run @param {any} state */
function addresses(run, state) {
  const { origin, href } = location;
  const id = encoded(run);
  const name = (state.name || run).replace(/[[\]\\`*_<>\n\r]/g, " ");
  return [
    { label: text.share.link, value: href },
    { label: text.share.page, value: `${origin}/share/${id}` },
    { label: text.share.badge, value: `[![${name}](${origin}/v1/runs/${id}/badge.svg)](${origin}/runs/${id})` },
  ];
}

/** @param {Event} event */
function selectAll(event) {
  /** @type {HTMLInputElement} */ (event.currentTarget).select();
}
