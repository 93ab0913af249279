/** The lanes as a table: the same facts for who reads rather than looks. */

import { html } from "../../../vendor/preact.js";
import { Status } from "../../../parts/status.js";
import { Virtual } from "../../../parts/virtual.js";
import { text } from "../../../text/run.js";
import { factsOf } from "./facts.js";

const HEIGHT = 36;

/**
 * @param {object} props
 * @param {import("./lanes.js").Lane[]} props.lanes
 * @param {(lane: import("./lanes.js").Lane) => import("./lanes.js").Segment[]} props.segments
 * @param {number} props.start
 * @param {(lane: import("./lanes.js").Lane) => void} props.onChoose
 */
export function Table({ lanes, segments, start, onChoose }) {
  const { columns } = text.timeline;
  /** @param {number} index */
  const row = (index) => {
    const lane = lanes[index];
    const facts = factsOf(lane, segments(lane), start);
    return html`<div key=${lane.key} class="time-row numbers" role="row" aria-rowindex=${index + 2}>
      <span role="cell" class="clip">${lane.kind === "run" ? facts.name
        : html`<button class="link" onClick=${() => onChoose(lane)}>${facts.name}</button>`}</span>
      <span role="cell"><${Status} status=${lane.step.status} /></span>
      <span role="cell">${facts.start}</span><span role="cell">${facts.waited}</span>
      <span role="cell">${facts.took}</span><span role="cell">${facts.attempts > 1 ? facts.attempts : ""}</span>
      <span role="cell">${facts.paused}</span>
    </div>`;
  };
  return html`<div class="time-table" role="table" aria-label=${text.timeline.label} aria-rowcount=${lanes.length + 1}>
    <div class="time-row time-head" role="row" aria-rowindex="1">
      ${Object.values(columns).map((name) => html`<span key=${name} role="columnheader">${name}</span>`)}</div>
    <${Virtual} class="time-rows" role="rowgroup" count=${lanes.length} height=${HEIGHT} row=${row} />
  </div>`;
}
