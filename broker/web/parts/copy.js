/** A button that copies; where the browser forbids it, the text is selected to be copied by hand. */

import { html } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { toast } from "./announce.js";
import { Icon } from "./icons.js";

/**
 * Put text on the clipboard; whether that was allowed.
 *
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** @param {{text: string, label?: string, bare?: boolean}} props `bare`: only the picture is seen */
export function CopyButton({ text, label = common.copy, bare = false }) {
  const act = async () => ((await copy(text)) ? toast(common.copied) : toast(common.notCopied, "refused"));
  return html`<button class=${bare ? "plain" : undefined} aria-label=${label} title=${bare ? label : undefined} onClick=${act}>
    <${Icon} name="copy" />${bare ? null : common.copy}
  </button>`;
}
