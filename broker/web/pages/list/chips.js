/** The pipeline and the labels of a run: a click on one searches for it too. */

import { html } from "../../vendor/preact.js";
import { list } from "../../text/list.js";
import { searchFor, text } from "./address.js";
import { labelTerm, parse, term, withTerm } from "./search.js";

const words = list.row;
/** Labels that a closed row shows. */
const LABELS_SHOWN = 2;

/** The pipeline, and the first labels. @param {{row: any}} props */
export function Chips({ row }) {
  const labels = Object.entries(row.labels ?? {});
  const more = labels.length - LABELS_SHOWN;
  return html`<p class="runs-chips">
    ${row.pipeline && html`<${Chip} term=${term("pipeline", row.pipeline)} kind="pipeline">${row.pipeline}<//>`}
    ${labels.slice(0, LABELS_SHOWN).map(([key, value]) => html`<${LabelChip} key=${key} name=${key} value=${value} />`)}
    ${more > 0 && html`<small class="muted">${words.more(more)}</small>`}
  </p>`;
}

/**
 * A label; a click searches for it too.
 *
 * @param {{name: string, value: unknown}} props
 */
export function LabelChip({ name, value }) {
  const said = `${name}:${value}`;
  const wanted = labelTerm(name, value);
  // What is too long, or has no name, cannot be searched for.
  const [found] = parse(wanted).labels;
  if (found !== said) return html`<span class="chip clip" title=${said}>${said}</span>`;
  return html`<${Chip} term=${wanted}>${said}<//>`;
}

/** @param {{term: string, kind?: string, children?: any}} props */
function Chip({ term, kind, children }) {
  return html`<button type="button" class="chip clip" data-kind=${kind} title=${words.filter(term)}
    onClick=${() => searchFor(withTerm(text.value, term))}>${children}</button>`;
}
