/** The panel behind `?`: every key of the page that is shown. */

import { html } from "../vendor/preact.js";
import { groups } from "../core/keys.js";
import { common } from "../text/common.js";
import { Dialog } from "./dialog.js";

/** @param {{onClose: () => void}} props */
export function KeysPanel({ onClose }) {
  return html`<${Dialog} title=${common.help} onClose=${onClose}>
    ${byHeading(groups.value).map(([of, shortcuts]) => html`<section class="keys"><h3>${of}</h3><dl>
      ${byWhatTheyDo(shortcuts).map(([does, keys]) => html`<div key=${does}>
        <dt>${keys.map((key) => html`<kbd key=${key}>${key}</kbd>`)}</dt><dd>${does}</dd></div>`)}
    </dl></section>`)}
  <//>`;
}

/**
 * @param {import("../core/keys.js").Shortcut[]} shortcuts
 * @returns {[string, string[]][]}
 */
function byWhatTheyDo(shortcuts) {
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const { key, does } of shortcuts) found.set(does, [...(found.get(does) ?? []), key]);
  return [...found];
}

/**
 * Parts of a page offer their keys each for itself; those under the same heading belong together.
 *
 * @param {{of: string, shortcuts: import("../core/keys.js").Shortcut[]}[]} all
 * @returns {[string, import("../core/keys.js").Shortcut[]][]}
 */
function byHeading(all) {
  /** @type {Map<string, import("../core/keys.js").Shortcut[]>} */
  const found = new Map();
  for (const { of, shortcuts } of all) found.set(of, [...(found.get(of) ?? []), ...shortcuts]);
  return [...found];
}
