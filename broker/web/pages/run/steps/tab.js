/** The steps: a stepper for a few, a list for many. */

import { html } from "../../../vendor/preact.js";
import { ENDED } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { useFamily } from "../family.js";
import { Beside } from "./beside.js";
import { StepList } from "./list.js";
import { Stepper } from "./stepper.js";

/** Steps that a stepper shows at most. */
const FEW = 8;

/** @param {{state: any}} props */
export default function StepsTab({ state }) {
  const family = useFamily(state.steps);
  const groups = Object.keys(state.groups ?? {}).length;
  if (!family.ids.length && !groups)
    return html`<p class="empty">${ENDED.has(state.status) ? text.steps.noneAtAll : text.steps.none}</p>`;
  const few = family.ids.length <= FEW && !family.children.size && !groups;
  return html`<${Beside} state=${state} below=${few}>
    ${few ? html`<${Stepper} state=${state} ids=${family.ids} />` : html`<${StepList} state=${state} />`}
  <//>`;
}
