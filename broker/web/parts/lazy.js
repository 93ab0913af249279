/** A page, or a part of one, whose code is loaded when it is first shown. */

import { html, useLayoutEffect, useState } from "../vendor/preact.js";
import { common } from "../text/common.js";

/** @type {Map<() => Promise<{default: any}>, any>} */
const loaded = new Map();

/**
 * @param {{load: () => Promise<{default: any}>, [prop: string]: any}} props the rest is the part's
 */
export function Lazy({ load, ...props }) {
  const [, seen] = useState(0);
  const [failed, fail] = useState(/** @type {unknown} */ (null));
  // An effect would wait until "loading" has been painted.
  useLayoutEffect(() => {
    if (loaded.has(load)) return;
    load().then((module) => {
      loaded.set(load, module.default);
      seen((n) => n + 1);
    }, fail);
  }, [load]);
  if (failed !== null) throw failed;
  const part = loaded.get(load);
  return part ? html`<${part} ...${props} />` : html`<p class="empty">${common.loading}</p>`;
}
