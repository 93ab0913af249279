/** The details of the chosen step beside what it was chosen in; above it where there is no room. */

import { html, useEffect, useRef } from "../../../vendor/preact.js";
import { useKeys } from "../../../core/keys.js";
import { narrow } from "../../../core/media.js";
import { ask, query } from "../../../core/route.js";
import { Dialog } from "../../../parts/dialog.js";
import { Icon } from "../../../parts/icons.js";
import { text } from "../../../text/run.js";
import { nameOf } from "../times.js";
import { StepDetails } from "./details.js";

/** Where one goes on if nothing else had the focus when the details were opened. */
const MAIN = 'button[aria-expanded="true"], [role="tree"], [tabindex="0"]';

/** @param {{state: any, below?: boolean, children?: any}} props `below`: the details need not be beside */
export function Beside({ state, below = false, children }) {
  const id = query.value.get("step");
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  const pane = useRef(/** @type {HTMLElement | null} */ (null));
  const from = useRef(/** @type {Element | null} */ (null));
  useEffect(() => {
    from.current = document.activeElement;
  }, [id]);
  const close = () => {
    // What had the focus goes away: it would be lost, and keys would begin at the top of the page.
    if (pane.current?.contains(document.activeElement)) {
      const back = main.current?.contains(from.current) ? from.current : main.current?.querySelector(MAIN);
      if (back instanceof HTMLElement || back instanceof SVGElement) back.focus();
    }
    ask({ step: null });
  };
  useKeys(text.keys.steps, [{ key: "Escape", does: text.keys.close, act: close }]);
  const step = id && Object.hasOwn(state.steps, id) ? state.steps[id] : undefined;
  const name = id ? nameOf(id, step) : "";
  const wide = Boolean(id) && !narrow.value;
  // The same elements with and without details: what was opened, filtered and scrolled stays so.
  return html`<div class=${wide ? "beside" : undefined} data-below=${below ? "" : undefined}>
    <div ref=${main} class="beside-main">${children}</div>
    ${wide && html`<aside ref=${pane} class="beside-pane card" aria-label=${name}>
      <header><h2 class="wrap">${name}</h2>
        <button class="plain" aria-label=${text.steps.close} onClick=${close}><${Icon} name="close" /></button></header>
      <${StepDetails} id=${id} state=${state} />
    </aside>`}
  </div>${id && narrow.value && html`<${Dialog} key=${id} title=${name} onClose=${close}><${StepDetails} id=${id} state=${state} /><//>`}`;
}
