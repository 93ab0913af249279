/** A progress bar that says no more than is known. */

import { html } from "../vendor/preact.js";
import { percent } from "../core/format.js";

/** The order of the parts of a stacked bar. */
const STACK = ["completed", "skipped", "failed", "cancelled", "running", "retrying"];

/**
 * @param {object} props
 * @param {string} props.label what progresses, for who does not see the bar
 * @param {number | null | undefined} props.fraction 0 to 1; nothing where it is unknown
 * @param {string} props.status of the run or step
 * @param {string} [props.text] what it says to a screen reader, where that is more than the percentage
 * @param {Record<string, number>} [props.counts] steps by status: the bar is stacked
 */
export function Bar({ label, fraction, status, text, counts }) {
  const known = fraction != null;
  return html`<div
    class="bar" role="progressbar" data-status=${status} data-unknown=${known ? undefined : ""}
    aria-label=${label} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${known ? Math.floor(fraction * 100 + 1e-9) : undefined}
    aria-valuetext=${text ?? (known ? percent(fraction) : undefined)}
  >
    ${counts ? html`<${Stack} counts=${counts} />` : html`<${Fill} share=${fraction ?? 0} />`}
  </div>`;
}

/**
 * What is done of a bar that has no parts. It is moved and not resized: browsers then animate it
 * without laying out the page for each picture.
 *
 * @param {{share: number}} props
 */
export function Fill({ share }) {
  return html`<i class="fill" style=${{ transform: `scaleX(${share})` }} />`;
}

/** @param {{counts: Record<string, number>}} props */
function Stack({ counts }) {
  const total = counts.total || 1;
  return STACK.filter((status) => counts[status] > 0).map(
    (status) => html`<i key=${status} data-status=${status} style=${{ width: `${(counts[status] / total) * 100}%` }} />`,
  );
}
