/** The list of runs: what is counted, what is searched for, and the rows. */

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { announce } from "../../parts/announce.js";
import { common } from "../../text/common.js";
import { list } from "../../text/list.js";
import { useActive } from "./active.js";
import { search, sort, text } from "./address.js";
import { Bulk, CommandDialog } from "./bulk.js";
import { Empty, Problem, Skeleton } from "./empty.js";
import { covered } from "./layout.js";
import { Cards, Tabs } from "./overview.js";
import { Rows, toTop } from "./rows.js";
import { SearchBox } from "./search_box.js";
import { chooseAll, clear } from "./selection.js";
import { useWindow } from "./use_window.js";

export default function ListPage() {
  const { shown, query } = useWindow();
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const handle = useRef(/** @type {any} */ (null));
  const head = useCovered();
  const active = useActive(shown, query, box, handle);
  const { counts, problem, waiting, part } = shown.view.value;
  const { statuses } = search.value;
  const { count } = shown;

  useEffect(() => {
    document.title = `${list.title} · ${common.product}`;
  }, []);
  useChanged(toTop, [text.value, sort.value]);
  useChanged(clear, [text.value]);
  useEffect(() => {
    if (!waiting && text.value) announce(list.matching(count));
  }, [waiting, text.value]);

  const counted = { counts, statuses, waiting };
  return html`<div class="runs-list">
    <h1 class="hidden">${list.title}</h1>
    <${Cards} ...${counted} />
    <div class="runs-head" ref=${head}><${SearchBox} box=${box} /><${Tabs} ...${counted} /></div>
    ${!part ? (problem ? html`<${Problem} problem=${problem} />` : html`<${Skeleton} />`)
      : !waiting && count === 0 ? html`<${Empty} searched=${query.size > 1} />`
        : html`<${Rows} shown=${shown} query=${query} active=${active.run} onFocus=${active.set} handle=${handle} />`}
    <${Bulk} total=${count} all=${() => chooseAll(query)} />
    <${CommandDialog} />
  </div>`;
}

/**
 * Do something whenever something changes, but not at first.
 *
 * @param {() => void} act
 * @param {unknown[]} depends
 */
function useChanged(act, depends) {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) act();
    first.current = false;
  }, depends);
}

/** Tells how much of the page the search covers; gives the reference for what does. */
function useCovered() {
  const head = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      const { current } = head;
      if (current) covered.value = getComputedStyle(current).position === "sticky" ? current.offsetHeight : 0;
    });
    if (head.current) observer.observe(head.current);
    return () => observer.disconnect();
  }, []);
  return head;
}
