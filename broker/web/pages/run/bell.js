/**
 * Who asked for it is told when a run ends. The run is then followed also while the tab is hidden;
 * nothing pops up for who looks at the page.
 */

import { effect, html, useEffect, useState } from "../../vendor/preact.js";
import { called } from "../../core/format.js";
import { follow } from "../../core/live.js";
import { announce, toast } from "../../parts/announce.js";
import { Icon } from "../../parts/icons.js";
import { ENDED, wordFor } from "../../parts/status.js";
import { text } from "../../text/run.js";
import { titleOf } from "./title.js";

/** @param {{run: string, ended: boolean}} props */
export function Bell({ run, ended }) {
  const [set, setSet] = useState(() => wanted(run));
  useEffect(() => (set ? watchFor(run) : undefined), [run, set]);
  const turn = async () => {
    if (set) {
      want(run, false);
      setSet(false);
      return;
    }
    const problem = await permission();
    if (problem) {
      toast(problem, "refused");
      return;
    }
    want(run, true);
    setSet(true);
    announce(text.bell.on);
  };
  if (ended && !set) return null;
  const label = set ? text.bell.on : text.bell.off;
  return html`<button class="bell" aria-pressed=${set} aria-label=${text.bell.off} title=${label} onClick=${turn}>
    <${Icon} name="bell" /></button>`;
}

/**
 * Follow a run, and tell of its end once, if nobody sees the page then.
 *
 * @param {string} run
 */
function watchFor(run) {
  const { shown, stop } = follow({ run }, { awake: true });
  let goesOn = false;
  const end = effect(() => {
    const { state } = shown.value;
    if (!state) return;
    const over = ENDED.has(state.status);
    if (document.hidden) document.title = titleOf(state);
    if (goesOn && over && document.hidden) notify(run, state);
    goesOn = !over;
  });
  return () => {
    end();
    stop();
  };
}

/** @param {string} run @param {any} state */
function notify(run, state) {
  const why = state.error?.message ?? state.message ?? state.pipeline ?? "";
  const note = new Notification(`${wordFor(state.status)}: ${called(state.name, run)}`, { body: why, tag: `run-${run}` });
  note.onclick = () => {
    window.focus();
    note.close();
  };
}

/** Ask the browser for leave; gives why not. */
async function permission() {
  if (typeof Notification === "undefined") return text.bell.missing;
  return (await Notification.requestPermission()) === "granted" ? null : text.bell.denied;
}

/** @param {string} run */
function wanted(run) {
  try {
    return sessionStorage.getItem(`bell:${run}`) !== null && typeof Notification !== "undefined";
  } catch {
    return false;
  }
}

/** @param {string} run @param {boolean} on */
function want(run, on) {
  try {
    if (on) sessionStorage.setItem(`bell:${run}`, "");
    else sessionStorage.removeItem(`bell:${run}`);
  } catch {
    // It then holds as long as the page stands.
  }
}
