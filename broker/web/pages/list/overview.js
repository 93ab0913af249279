/** What the list counts: the cards, and a tab per status. All are links to the same search of a status. */

import { html } from "../../vendor/preact.js";
import { number } from "../../core/format.js";
import { Icon } from "../../parts/icons.js";
import { useInSight } from "../../parts/in_sight.js";
import { wordFor } from "../../parts/status.js";
import { list } from "../../text/list.js";
import { at } from "./address.js";
import { STATUSES } from "./search.js";

const { cards, tabs } = list;

/**
 * @typedef {object} Counted
 * @property {Record<string, number>} counts of the runs that pass all filters but the one by status
 * @property {readonly string[]} statuses that are searched for
 * @property {boolean} waiting whether the numbers are of another search, or not known
 */

/** @param {Counted} props */
export function Cards({ counts, statuses, waiting }) {
  const known = Object.keys(counts).length > 0;
  const { queued = 0, running = 0, paused = 0, completed = 0, failed = 0, lost = 0 } = counts;
  const all = [
    { icon: "running", of: ["running"], n: running, word: cards.running, more: cards.paused(paused) },
    { icon: "queued", of: ["queued"], n: queued, word: cards.queued, more: cards.waiting },
    { icon: "completed", of: ["completed"], n: completed, word: cards.completed, more: cards.success(completed, failed) },
    { icon: "failed", of: ["failed", "lost"], n: failed + lost, word: cards.trouble, more: cards.failed(failed, lost) },
  ];
  return html`<nav class="runs-cards" aria-label=${cards.label} aria-busy=${waiting}>
    ${all.map(({ icon, of, n, word, more }) => html`<a
      key=${icon} class="card runs-card" data-status=${icon} data-none=${n === 0 || undefined} href=${at(of)}
      aria-current=${same(of, statuses) ? "page" : undefined}>
      <span class="runs-card-word"><${Icon} name=${icon} />${word}</span>
      <b class="numbers">${number(known ? n : null)}</b><small class="muted clip">${known && more}</small>
    </a>`)}
  </nav>`;
}

/** @param {Counted} props */
export function Tabs({ counts, statuses, waiting }) {
  const known = Object.values(counts);
  const row = useInSight(String(statuses));
  const total = known.length ? known.reduce((sum, n) => sum + n, 0) : null;
  return html`<nav class="runs-tabs" aria-label=${tabs.label} aria-busy=${waiting}><ul ref=${row}>
    <${Tab} of=${[]} word=${tabs.all} n=${total} statuses=${statuses} />
    ${STATUSES.map((status) =>
      html`<${Tab} key=${status} of=${[status]} word=${wordFor(status)} n=${counts[status] ?? null} statuses=${statuses} />`)}
  </ul></nav>`;
}

/** @param {{of: string[], word: string, n: number | null, statuses: readonly string[]}} props */
function Tab({ of, word, n, statuses }) {
  return html`<li data-status=${of[0]} data-none=${n === 0 || undefined}>
    <a href=${at(of)} aria-current=${same(of, statuses) ? "page" : undefined}>
      ${of[0] && html`<${Icon} name=${of[0]} />`}${word}<span class="numbers">${number(n)}</span>
    </a>
  </li>`;
}

/**
 * @param {readonly string[]} some
 * @param {readonly string[]} others
 */
const same = (some, others) => some.length === others.length && some.every((each) => others.includes(each));
