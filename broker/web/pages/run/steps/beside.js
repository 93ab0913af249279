/** The details of the chosen step beside what it was chosen in; above it where there is no room. */

import { html } from "../../../vendor/preact.js";
import { useKeys } from "../../../core/keys.js";
import { narrow } from "../../../core/media.js";
import { ask, query } from "../../../core/route.js";
import { Dialog } from "../../../parts/dialog.js";
import { Icon } from "../../../parts/icons.js";
import { text } from "../../../text/run.js";
import { nameOf } from "../times.js";
import { StepDetails } from "./details.js";

/** @param {{state: any, below?: boolean, children?: any}} props `below`: the details need not be beside */
export function Beside({ state, below = false, children }) {
  const id = query.value.get("step");
  const close = () => ask({ step: null });
  useKeys(text.keys.steps, [{ key: "Escape", does: text.keys.close, act: close }]);
  if (!id) return children;
  const step = Object.hasOwn(state.steps, id) ? state.steps[id] : undefined;
  const name = nameOf(id, step);
  if (narrow.value)
    return html`${children}<${Dialog} key=${id} title=${name} onClose=${close}><${StepDetails} id=${id} state=${state} /><//>`;
  return html`<div class="beside" data-below=${below ? "" : undefined}>
    <div class="beside-main">${children}</div>
    <aside class="beside-pane card" aria-label=${name}>
      <header><h2 class="wrap">${name}</h2>
        <button class="plain" aria-label=${text.steps.close} onClick=${close}><${Icon} name="close" /></button></header>
      <${StepDetails} id=${id} state=${state} />
    </aside>
  </div>`;
}
