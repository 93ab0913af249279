/** Many steps: what needs a look first and open, what is done folded; only what is in sight exists. */

import { html, useRef, useState } from "../../../vendor/preact.js";
import { number } from "../../../core/format.js";
import { useKeys } from "../../../core/keys.js";
import { coarse, narrow } from "../../../core/media.js";
import { ask, query } from "../../../core/route.js";
import { Icon } from "../../../parts/icons.js";
import { Virtual } from "../../../parts/virtual.js";
import { text } from "../../../text/run.js";
import { useFamily } from "../family.js";
import { useWalk } from "../walk.js";
import { GroupLine, StepLine } from "./row.js";
import { rowsOf } from "./rows.js";

/** Pixels of a row: two lines where there is little room. */
const HEIGHT = { wide: 36, coarse: 44, narrow: 60 };

/** @param {{state: any}} props */
export function StepList({ state }) {
  const [words, setWords] = useState("");
  const [opened, setOpened] = useState(/** @type {ReadonlyMap<string, boolean>} */ (new Map()));
  const handle = useRef(/** @type {any} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const chosen = query.value.get("step");
  const family = useFamily(state.steps);
  const { rows, found } = rowsOf(state.steps, state.groups ?? {}, family, { words, opened });
  /** @param {number} index @param {boolean} open */
  const turn = (index, open) => setOpened(new Map([...opened, [rows[index].key, open]]));
  /** @param {number} index */
  const choose = (index) => {
    const row = rows[index];
    if (row.kind === "step") ask({ step: row.id });
    else if (row.kind === "section") turn(index, !row.open);
  };
  const walk = useWalk({ rows: /** @type {any} */ (rows), choose, turn, reveal: (index) => handle.current?.reveal(index) });
  const nextFailed = () => {
    const after = rows.findIndex((row, at) => at > walk.at && isFailed(row));
    const to = after >= 0 ? after : rows.findIndex(isFailed);
    if (to < 0) return;
    walk.goTo(to);
    choose(to);
  };
  useKeys(text.keys.steps, [
    { key: "/", does: text.keys.filter, act: () => input.current?.focus() },
    { key: "f", does: text.keys.nextFailed, act: nextFailed },
  ], [rows]);
  const height = narrow.value ? HEIGHT.narrow : coarse.value ? HEIGHT.coarse : HEIGHT.wide;

  /** @param {number} index */
  const draw = (index) => {
    const row = rows[index];
    const dom = `step-row-${index}`;
    const walked = index === walk.at;
    if (row.kind === "section") return html`<${SectionLine} key=${row.key} row=${row} walked=${walked} dom=${dom} onTurn=${() => turn(index, !row.open)} />`;
    if (row.kind === "group") return html`<${GroupLine} key=${row.key} row=${row} walked=${walked} dom=${dom} />`;
    return html`<${StepLine} key=${row.key} row=${row} state=${state} chosen=${row.id === chosen} walked=${walked} dom=${dom}
      onChoose=${() => choose(index)} onTurn=${(/** @type {boolean} */ open) => turn(index, open)} />`;
  };
  return html`<div class="steps-list card" data-flat=${family.children.size ? undefined : ""}>
    <div class="steps-tools">
      <label class="search"><${Icon} name="search" /><span class="hidden">${text.steps.filter}</span>
        <input ref=${input} type="search" placeholder=${text.steps.filter} value=${words}
          onInput=${(/** @type {any} */ event) => setWords(event.currentTarget.value)} /></label>
      <span class="muted numbers">${text.steps.found(found)}</span>
      ${state.truncated?.steps > 0 && html`<span class="muted">${text.steps.truncated(state.truncated.steps)}</span>`}
    </div>
    ${rows.length === 0 && html`<p class="empty">${text.steps.nothing}</p>`}
    <div class="steps-walk" hidden=${rows.length === 0} onKeyDown=${walk.onKeyDown}>
      <${Virtual} class="steps-virtual" role="tree" label=${text.steps.label} count=${rows.length} height=${height} row=${draw}
        handle=${handle} active=${walk.at >= 0 ? `step-row-${walk.at}` : undefined} />
    </div>
  </div>`;
}

/** @param {{row: import("./rows.js").SectionRow, walked: boolean, dom: string, onTurn: () => void}} props */
function SectionLine({ row, walked, dom, onTurn }) {
  return html`<div id=${dom} class="step-row step-section" role="treeitem" aria-level="1" aria-expanded=${row.open} aria-selected="false"
    data-walked=${walked ? "" : undefined} onClick=${onTurn}>
    <span class="twist"><${Icon} name=${row.open ? "down" : "right"} /></span>
    <strong>${text.steps.sections[row.section]}</strong> <span class="count numbers">${number(row.count)}</span>
  </div>`;
}

/** @param {import("./rows.js").Row} row */
const isFailed = (row) => row.kind === "step" && row.step.status === "failed";
