/** The lanes as a chart: names at the side, bars on a canvas, times above. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../../vendor/preact.js";
import { coarse } from "../../../core/media.js";
import { theme } from "../../../core/theme.js";
import { Icon } from "../../../parts/icons.js";
import { ENDED, Status } from "../../../parts/status.js";
import { text } from "../../../text/run.js";
import { isActive } from "../times.js";
import { useWalk } from "../walk.js";
import { factsOf, inWords } from "./facts.js";
import { useGestures } from "./gestures.js";
import { coloursOf, paint } from "./paint.js";
import { ticks } from "./scale.js";

/** Pixels of a lane: a finger needs more. */
const LANE = { fine: 28, coarse: 44 };
/** Pixels between two times that are written. */
const APART = 84;
/** Pixels that a time takes. */
const ROOM = 40;
const BEYOND = 4;

/** @typedef {{lane: import("./lanes.js").Lane, segments: import("./lanes.js").Segment[]}} Drawn */

/**
 * @param {object} props
 * @param {import("./lanes.js").Lane[]} props.lanes
 * @param {(lane: import("./lanes.js").Lane) => import("./lanes.js").Segment[]} props.segments
 * @param {import("./scale.js").Scale} props.scale
 * @param {import("./sight.js").Sight} props.sight
 * @param {number | null} props.now the present, while the run goes on
 * @param {string | null} props.chosen
 * @param {(lane: import("./lanes.js").Lane) => void} props.onChoose
 * @param {(lane: import("./lanes.js").Lane, open: boolean) => void} props.onTurn
 */
export function Chart({ lanes, segments, scale, sight, now, chosen, onChoose, onTurn }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [size, setSize] = useState({ top: 0, width: 600, height: 400 });
  const [pointed, point] = useState(/** @type {number | null} */ (null));
  const colours = useColours(box);
  const tall = coarse.value ? LANE.coarse : LANE.fine;
  const most = Math.max(0, lanes.length * tall - size.height);
  const top = Math.min(size.top, most);
  const first = Math.max(0, Math.floor(top / tall) - BEYOND);
  const last = Math.min(lanes.length - 1, Math.ceil((top + size.height) / tall) + BEYOND);
  const drawn = lanes.slice(first, last + 1).map((lane) => ({ lane, segments: segments(lane) }));
  const long = Math.max(1e-6, sight.to - sight.from);
  /** @param {number} place */
  const x = (place) => ((place - sight.from) / long) * size.width;
  const marks = ticks(scale, sight.from, sight.to, (APART / size.width) * long);
  /** @param {number} y */
  const laneAt = (y) => lanes[Math.floor((y + top) / tall)];

  const look = () => {
    const el = box.current;
    const surface = canvas.current;
    if (!el || !surface) return;
    const seen = { top: el.scrollTop, width: surface.clientWidth, height: el.clientHeight };
    setSize((was) => (was.top === seen.top && was.width === seen.width && was.height === seen.height ? was : seen));
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    if (canvas.current) observer.observe(canvas.current);
    look();
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (!canvas.current || !colours) return;
    paint(canvas.current, {
      lanes: drawn.map((one) => ({ ...one, chosen: one.lane.kind === "step" && one.lane.id === chosen })),
      lane: tall, top: first * tall - top, width: size.width, height: size.height, colours,
      x: (time) => x(scale.place(time)), marks: marks.map(({ place }) => x(place)), now: now === null ? null : x(scale.place(now)),
      gaps: scale.gaps.map(({ at, length }) => ({ from: x(at), to: x(at + length) })),
    });
  });
  useGestures(canvas, sight, {
    point: (y) => point(y === null ? null : Math.floor((y + top) / tall)),
    choose: (y) => laneAt(y) && onChoose(laneAt(y)),
  });
  const walk = useWalk({
    rows: lanes,
    choose: (index) => onChoose(lanes[index]),
    turn: (index, open) => onTurn(lanes[index], open),
    reveal: (index) => {
      const el = box.current;
      if (!el) return;
      if (index * tall < el.scrollTop) el.scrollTop = index * tall;
      else if ((index + 1) * tall > el.scrollTop + el.clientHeight) el.scrollTop = (index + 1) * tall - el.clientHeight;
    },
  });
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (sight.press(event.key, event.shiftKey)) event.preventDefault();
    else walk.onKeyDown(event);
  };
  const told = lanes[pointed ?? walk.at];
  return html`<div class="chart">
    <div class="chart-axis" aria-hidden="true">${marks.filter(({ place }) => x(place) < size.width - ROOM).map(({ place, label }) => html`<span key=${label} style=${{ transform: `translateX(${x(place)}px)` }}>${label}</span>`)}</div>
    <div ref=${box} class="chart-lanes" role="tree" tabindex="0" aria-label=${text.timeline.label} onScroll=${look} onKeyDown=${onKeyDown}
      aria-activedescendant=${walk.at >= first && walk.at <= last ? `lane-${walk.at}` : undefined}>
      <div role="presentation" style=${{ height: `${lanes.length * tall}px` }}>
        <div class="chart-stage" role="presentation" style=${{ height: `${Math.min(size.height, lanes.length * tall)}px` }}>
          <div class="chart-names" role="presentation">
            ${drawn.map((one, at) => html`<${Name} key=${one.lane.key} one=${one} start=${scale.start} dom=${`lane-${first + at}`}
              y=${(first + at) * tall - top} tall=${tall} walked=${first + at === walk.at} chosen=${one.lane.kind === "step" && one.lane.id === chosen}
              onChoose=${() => onChoose(one.lane)} onTurn=${(/** @type {boolean} */ open) => onTurn(one.lane, open)} />`)}
          </div>
          <canvas ref=${canvas} class="chart-canvas" aria-hidden="true" />
        </div>
      </div>
    </div>
    <p class="chart-told numbers clip">${told ? html`<${Told} lane=${told} segments=${segments(told)} start=${scale.start} />` : coarse.value ? text.timeline.touch : text.timeline.hint}</p>
  </div>`;
}

/** @param {{lane: import("./lanes.js").Lane, segments: import("./lanes.js").Segment[], start: number}} props */
function Told({ lane, segments, start }) {
  const facts = factsOf(lane, segments, start);
  return html`<strong>${facts.name}</strong> ${inWords(facts, goesOn(lane))}`;
}

/**
 * @param {object} props
 * @param {Drawn} props.one
 * @param {number} props.start
 * @param {string} props.dom
 * @param {number} props.y pixels from the top
 * @param {number} props.tall
 * @param {boolean} props.walked
 * @param {boolean} props.chosen
 * @param {() => void} props.onChoose
 * @param {(open: boolean) => void} props.onTurn
 */
function Name({ one: { lane, segments }, start, dom, y, tall, walked, chosen, onChoose, onTurn }) {
  const facts = factsOf(lane, segments, start);
  const { open, depth } = lane;
  return html`<div id=${dom} class="lane" role="treeitem" aria-level=${depth + 1} aria-expanded=${open} aria-selected=${chosen}
    aria-label=${`${facts.name}: ${inWords(facts, goesOn(lane))}`} data-walked=${walked ? "" : undefined} data-kind=${lane.kind}
    style=${{ height: `${tall}px`, transform: `translateY(${y}px)`, paddingInlineStart: `${4 + Math.min(depth, 8) * 12}px` }} onClick=${onChoose}>
    ${open === undefined ? html`<span class="twist" />` : html`<button class="twist" tabindex="-1"
      aria-label=${open ? text.steps.fold : text.steps.unfold} onClick=${(/** @type {Event} */ event) => {
        event.stopPropagation();
        onTurn(!open);
      }}><${Icon} name=${open ? "down" : "right"} /></button>`}
    <${Status} status=${lane.step.status} quiet /><span class="clip" title=${facts.name}>${facts.name}</span>
  </div>`;
}

/** @param {import("./lanes.js").Lane} lane */
function goesOn(lane) {
  return lane.kind === "run" ? !ENDED.has(lane.step.status) : isActive(lane.step);
}

/** The colours of the theme, anew when it changes. @param {{current: HTMLElement | null}} element */
function useColours(element) {
  const [colours, setColours] = useState(/** @type {import("./paint.js").Colours | null} */ (null));
  const chosen = theme.value;
  useEffect(() => {
    const read = () => element.current && setColours(coloursOf(element.current));
    read();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", read);
    return () => dark.removeEventListener("change", read);
  }, [chosen]);
  return colours;
}
