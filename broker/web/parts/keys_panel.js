/** The panel behind `?`: every key of the page that is shown. */

import { html } from "../vendor/preact.js";
import { groups } from "../core/keys.js";
import { common } from "../text/common.js";
import { Dialog } from "./dialog.js";

/** @param {{onClose: () => void}} props */
export function KeysPanel({ onClose }) {
  return html`<${Dialog} title=${common.help} onClose=${onClose}>
    ${groups.value.map(({ of, shortcuts }) => html`<section class="keys"><h3>${of}</h3><dl>
      ${shortcuts.map(({ key, does }) => html`<div><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}
    </dl></section>`)}
  <//>`;
}
