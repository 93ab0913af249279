/** What was when, and for how long: a lane for the run and for each step, live. */

import { html, useState } from "../../../vendor/preact.js";
import { isAhead } from "../../../core/format.js";
import { ask, query } from "../../../core/route.js";
import { ENDED } from "../../../parts/status.js";
import { common } from "../../../text/common.js";
import { text } from "../../../text/run.js";
import { useFamily } from "../family.js";
import { present, still } from "../past.js";
import { Beside } from "../steps/beside.js";
import { Chart } from "./chart.js";
import { extentOf, lanesOf, segmentsBy } from "./lanes.js";
import { folding, straight } from "./scale.js";
import { useSight } from "./sight.js";
import { Table } from "./table.js";
import { usePast } from "./told.js";
import { Tools } from "./tools.js";

/** @param {{run: string, state: any}} props */
export default function TimelineTab({ run, state }) {
  const [wishes, setWishes] = useState(/** @type {import("./tools.js").Wishes} */ ({ words: "", show: "all", folds: false, table: false }));
  const [folded, setFolded] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const family = useFamily(state.steps);
  const past = usePast(run, state);
  const { start, end } = extentOf(state, present.value);
  const lanes = lanesOf(state, family, { ...wishes, folded, title: text.timeline.run });
  const segments = segmentsBy(state, end, past.told);
  const begun = Number.isFinite(start);
  const scale = begun && wishes.folds ? folding(start, end, workedIn(lanes, segments, state)) : straight(begun ? start : 0, begun ? end : 1);
  const sight = useSight(scale.start, scale.end);
  const live = still.value === null && !ENDED.has(state.status);
  const ahead = live && isAhead(end, present.value);
  if (!begun) return html`<p class="empty">${text.timeline.none}</p>`;
  /** @param {import("./lanes.js").Lane} lane */
  const choose = (lane) => ask({ step: lane.kind === "step" ? lane.id : null });
  /** @param {import("./lanes.js").Lane} lane @param {boolean} open */
  const turn = (lane, open) => {
    const changed = new Set(folded);
    if (open) changed.delete(lane.id);
    else changed.add(lane.id);
    setFolded(changed);
  };
  return html`<${Beside} state=${state}><div class="timeline card" data-flat=${family.children.size ? undefined : ""}>
    <${Tools} wishes=${wishes} wish=${(/** @type {any} */ changed) => setWishes({ ...wishes, ...changed })} sight=${sight} live=${live && !ahead} />
    ${lanes.length === 1 && (wishes.words || wishes.show !== "all") && html`<p class="muted time-note">${text.timeline.nothing}</p>`}
    ${ahead && html`<p class="muted time-note">${text.timeline.ahead}</p>`}
    ${past.standing !== "whole" && html`<p class="muted time-note">${text.timeline.past[past.standing]}
      ${past.standing === "failed" && html`<button onClick=${past.again}>${common.retry}</button>`}</p>`}
    ${wishes.table
      ? html`<${Table} lanes=${lanes} segments=${segments} start=${start} onChoose=${choose} />`
      : html`<${Chart} lanes=${lanes} segments=${segments} scale=${scale} sight=${sight} now=${live && !ahead ? end : null}
          chosen=${query.value.get("step")} onChoose=${choose} onTurn=${turn} />`}
  </div><//>`;
}

/**
 * When any step was worked in; of a run without steps, when it went on.
 *
 * @param {import("./lanes.js").Lane[]} lanes
 * @param {(lane: import("./lanes.js").Lane) => import("./lanes.js").Segment[]} segments
 * @param {any} state
 * @returns {[number, number][]}
 */
function workedIn(lanes, segments, state) {
  const leaves = lanes.filter(({ kind, open }) => kind === "step" && open === undefined);
  const shown = Object.keys(state.steps).length ? leaves : lanes;
  return shown.flatMap((lane) => segments(lane)
    .filter(({ kind }) => kind === "work" || kind === "try")
    .map(({ from, to }) => /** @type {[number, number]} */ ([from, to])));
}
