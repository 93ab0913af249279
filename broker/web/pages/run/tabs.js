/** The parts of the page, one at a time; which one stands in the address. */

import { html } from "../../vendor/preact.js";
import { ask, query } from "../../core/route.js";
import { useInSight } from "../../parts/in_sight.js";
import { Lazy } from "../../parts/lazy.js";
import { Guard } from "../../parts/page.js";
import { text } from "../../text/run.js";
import { useFamily } from "./family.js";

/** @type {Record<string, () => Promise<{default: any}>>} */
const TABS = {
  steps: () => import("./steps/tab.js"),
  timeline: () => import("./timeline/tab.js"),
  graph: () => import("./graph/tab.js"),
  logs: () => import("./logs/tab.js"),
  artefacts: () => import("./artefacts.js"),
  events: () => import("./events/tab.js"),
};

/** @param {{view: {run: string, state: any, attempt?: number, at?: string}}} props */
export function Tabs({ view }) {
  const { tied } = useFamily(view.state.steps);
  const names = Object.keys(TABS).filter((name) => name !== "graph" || tied);
  const asked = query.value.get("tab") ?? "";
  const chosen = names.includes(asked) ? asked : "steps";
  const row = useInSight(chosen);
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const to = target(event.key, names.indexOf(chosen), names.length);
    if (to === undefined) return;
    event.preventDefault();
    show(names[to]);
    document.getElementById(`tab-${names[to]}`)?.focus();
  };
  return html`<div ref=${row} class="tabs" role="tablist" aria-label=${text.tabs.label} onKeyDown=${onKeyDown}>
      ${names.map((name) => html`<button
        key=${name} id=${`tab-${name}`} role="tab" class="tab" aria-selected=${name === chosen}
        aria-controls="tab-shown" tabindex=${name === chosen ? 0 : -1} onClick=${() => show(name)}
      >${text.tabs[name]}</button>`)}
    </div>
    <section id="tab-shown" class="tab-shown" role="tabpanel" aria-labelledby=${`tab-${chosen}`}>
      <${Guard} key=${chosen}><${Lazy} load=${TABS[chosen]} ...${view} /><//>
    </section>`;
}

/** @param {string} name */
function show(name) {
  ask({ tab: name === "steps" ? null : name });
}

/**
 * @param {string} key
 * @param {number} at
 * @param {number} count
 */
function target(key, at, count) {
  if (key === "ArrowRight") return (at + 1) % count;
  if (key === "ArrowLeft") return (at + count - 1) % count;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : undefined;
}
