/** The plan as a graph: which step waits for which, and where the run is in it. */

import { html, useMemo, useRef, useState } from "../../../vendor/preact.js";
import { ask, query } from "../../../core/route.js";
import { Icon } from "../../../parts/icons.js";
import { text } from "../../../text/run.js";
import { useFamily } from "../family.js";
import { Beside } from "../steps/beside.js";
import { isActive, isOpen } from "../times.js";
import { useCamera } from "./camera.js";
import { BOX, layoutOf } from "./layout.js";
import { Node } from "./node.js";

/** Steps that are drawn at most. */
const MOST = 300;
const MOVE = 60;
/** Pixels of the surface at least, and around the drawing. */
const LOWEST = 240;
const MARGIN = 24;

/** @param {{state: any}} props */
export default function GraphTab({ state }) {
  const { ids } = useFamily(state.steps);
  const tied = ids.filter((id) => state.steps[id].after?.length).length;
  if (ids.length > MOST)
    return html`<div class="empty"><p>${text.graph.tooMany(ids.length)}</p>
      <button onClick=${() => ask({ tab: null })}>${text.graph.list}</button></div>`;
  return html`<${Beside} state=${state}><${Graph} key=${`${ids.length} ${tied}`} ids=${ids} steps=${state.steps} /><//>`;
}

/** @param {{ids: string[], steps: Record<string, any>}} props */
function Graph({ ids, steps }) {
  const surface = useRef(/** @type {SVGSVGElement | null} */ (null));
  const shape = ids.map((id) => `${id}\n${(steps[id].after ?? []).join("\n")}`).join("\n\n");
  const layout = useMemo(() => layoutOf(ids, steps), [shape]);
  const [at, setAt] = useState(() => ids.find((id) => isOpen(steps[id])) ?? ids[0]);
  const camera = useCamera(surface, layout.width, layout.height, () => layout.boxes.get(at));
  const chosen = query.value.get("step");
  const walked = layout.boxes.has(at) ? at : ids[0];
  /** @param {string} id */
  const goTo = (id) => {
    setAt(id);
    const box = layout.boxes.get(id);
    if (box) camera.reveal(box, BOX);
    for (const node of surface.current?.querySelectorAll(".node") ?? [])
      if (node instanceof SVGElement && node.dataset.id === id) node.focus();
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = { "+": camera.nearer, "=": camera.nearer, "-": camera.farther, 0: camera.fit };
    if (event.shiftKey) Object.assign(keys, {
      ArrowLeft: () => camera.move(MOVE, 0), ArrowRight: () => camera.move(-MOVE, 0),
      ArrowUp: () => camera.move(0, MOVE), ArrowDown: () => camera.move(0, -MOVE),
    });
    const next = neighbour(event.key, walked, layout);
    const act = keys[event.key] ?? (event.key === "Enter" || event.key === " " ? () => ask({ step: walked })
      : next === undefined ? undefined : () => goTo(next));
    if (!act) return;
    event.preventDefault();
    act();
  };
  const active = ids.find((id) => isOpen(steps[id]));
  const view = camera.view ?? { x: 0, y: 0, scale: 1 };
  return html`<div class="graph card">
    <div class="graph-tools">
      <p class="muted graph-hint">${text.graph.hint}</p>
      ${active !== undefined && html`<button onClick=${() => goTo(active)}>${text.graph.active}</button>`}
      <button class="tool" aria-label=${text.graph.zoomOut} title=${text.graph.zoomOut} onClick=${camera.farther}><${Icon} name="minus" /></button>
      <button class="tool" aria-label=${text.graph.zoomIn} title=${text.graph.zoomIn} onClick=${camera.nearer}><${Icon} name="plus" /></button>
      <button class="tool" aria-label=${text.graph.fit} title=${text.graph.fit} onClick=${camera.fit}><${Icon} name="fit" /></button>
    </div>
    <svg ref=${surface} class="graph-surface" role="group" aria-label=${text.graph.label} onKeyDown=${onKeyDown}
      style=${{ height: `${Math.max(LOWEST, layout.height + 2 * MARGIN)}px` }}>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path d="M0 0L8 4L0 8z" class="arrow-head" /></marker></defs>
      <g transform=${`translate(${view.x} ${view.y}) scale(${view.scale})`}>
        ${layout.arrows.map(({ from, to, points }) => html`<path key=${`${from}\n${to}`} class="arrow" d=${curve(points)}
          data-flow=${steps[to] && isActive(steps[to]) ? "" : undefined} data-near=${chosen === from || chosen === to ? "" : undefined}
          marker-end="url(#arrow)" />`)}
        ${[...layout.boxes.values()].map((box) => html`<${Node} key=${box.id} box=${box} step=${steps[box.id]} chosen=${box.id === chosen}
          walked=${box.id === walked} onFocus=${() => setAt(box.id)}
          onChoose=${() => camera.dragged.current || ask({ step: box.id })} />`)}
      </g>
    </svg>
  </div>`;
}

/**
 * Where an arrow key leads: along the arrows, or to the box above or below.
 *
 * @param {string} key
 * @param {string} from
 * @param {import("./layout.js").Layout} layout
 */
function neighbour(key, from, { boxes, arrows }) {
  const here = boxes.get(from);
  if (!here) return undefined;
  const all = [...boxes.values()];
  if (key === "Home") return all.reduce((a, b) => (b.layer < a.layer ? b : a)).id;
  if (key === "End") return all.reduce((a, b) => (b.layer > a.layer ? b : a)).id;
  /** @type {Record<string, () => (import("./layout.js").Box | undefined)[]>} */
  const leads = {
    ArrowRight: () => arrows.filter((arrow) => arrow.from === from).map(({ to }) => boxes.get(to)),
    ArrowLeft: () => arrows.filter((arrow) => arrow.to === from).map((arrow) => boxes.get(arrow.from)),
    ArrowDown: () => all.filter((box) => box.layer === here.layer && box.y > here.y),
    ArrowUp: () => all.filter((box) => box.layer === here.layer && box.y < here.y),
  };
  const found = /** @type {import("./layout.js").Box[]} */ ((leads[key]?.() ?? []).filter(Boolean));
  return found.sort((a, b) => Math.abs(a.y - here.y) - Math.abs(b.y - here.y))[0]?.id;
}

/**
 * A line through points that leaves and reaches each of them level.
 *
 * @param {[number, number][]} points
 */
function curve(points) {
  let path = `M${points[0][0]} ${points[0][1]}`;
  for (let at = 1; at < points.length; at++) {
    const [[x, y], [toX, toY]] = [points[at - 1], points[at]];
    const bend = (toX - x) / 2;
    path += `C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`;
  }
  return path;
}
