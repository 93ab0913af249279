/** A window above the page: the browser keeps the focus in it, and gives it back. */

import { html, useEffect, useRef } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { Icon } from "./icons.js";

/**
 * @param {{title: string, onClose: () => void, children?: any}} props
 */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  return html`<dialog ref=${dialog} class="dialog" aria-label=${title} onClose=${onClose}
    onClick=${(/** @type {MouseEvent} */ event) => event.target === dialog.current && dialog.current?.close()}
  >
    <div class="dialog-body">
      <header><h2>${title}</h2>
        <button class="plain" aria-label=${common.close} onClick=${() => dialog.current?.close()}>
          <${Icon} name="close" /></button>
      </header>
      ${children}
    </div>
  </dialog>`;
}
