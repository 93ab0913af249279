/** One step of the graph: a box with its name, its status and how far it is. */

import { html } from "../../../vendor/preact.js";
import { percent } from "../../../core/format.js";
import { Icon } from "../../../parts/icons.js";
import { wordFor } from "../../../parts/status.js";
import { fractionOf } from "../fraction.js";
import { amountOf } from "../steps/row.js";
import { isOpen, nameOf } from "../times.js";
import { BOX } from "./layout.js";

/** Where a name begins in its box, and letters of which there is surely no room for more. */
const NAME = 36;
const MOST = 80;

/**
 * @param {object} props
 * @param {import("./layout.js").Box} props.box
 * @param {any} props.step
 * @param {boolean} props.chosen
 * @param {boolean} props.walked whether Tab comes to this box
 * @param {() => void} props.onChoose
 * @param {() => void} props.onFocus
 */
export function Node({ box, step, chosen, walked, onChoose, onFocus }) {
  const { id, x, y } = box;
  const name = nameOf(id, step);
  const fraction = fractionOf(step);
  const far = isOpen(step) ? amountOf(step) || (fraction === undefined ? "" : percent(fraction)) : "";
  return html`<g class="node" role="button" tabindex=${walked ? 0 : -1} data-id=${id} data-status=${step.status} aria-pressed=${chosen}
    aria-label=${[name, wordFor(step.status), far].filter(Boolean).join(", ")}
    transform=${`translate(${x - BOX.width / 2} ${y - BOX.height / 2})`} onClick=${onChoose} onFocus=${onFocus}>
    <title>${name}</title>
    <rect class="node-box" width=${BOX.width} height=${BOX.height} rx="8" />
    <svg x="12" y="11" width="16" height="16" class="node-icon"><${Icon} name=${step.status} /></svg>
    <foreignObject x=${NAME} y="8" width=${BOX.width - NAME - 8} height="22"><div class="node-name clip">${name.slice(0, MOST)}</div></foreignObject>
    <rect class="node-track" x="12" y=${BOX.height - 15} width=${BOX.width - 24} height="4" rx="2" />
    ${fraction ? html`<rect class="node-done" x="12" y=${BOX.height - 15} width=${(BOX.width - 24) * fraction} height="4" rx="2" />` : null}
  </g>`;
}
