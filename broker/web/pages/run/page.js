/** One run: what it is, how far it is, when it will end, why it failed; and all that it left. */

import { html } from "../../vendor/preact.js";
import { Guard } from "../../parts/page.js";
import { PastBand } from "./bands.js";
import { useChosen, useLive } from "./chosen.js";
import { Header } from "./header.js";
import { Milestones } from "./milestones.js";
import { Overall } from "./overall.js";
import { Tabs } from "./tabs.js";
import { useSettled } from "./settled.js";
import { useTitle } from "./title.js";
import { Unknown } from "./unknown.js";

/** @param {{run: string}} props */
export default function RunPage({ run }) {
  const live = useLive(run);
  const shown = live.shown.value;
  const chosen = useChosen(run, shown.state);
  useTitle(run, shown.state);
  const state = useSettled(chosen.state);
  if (!state) return html`<${Unknown} run=${run} shown=${shown} chosen=${chosen} again=${live.again} />`;
  const view = { run, state, attempt: chosen.attempt, at: chosen.at };
  const ofNow = !chosen.at && chosen.attempt === undefined;
  return html`<article class="run" data-old=${ofNow ? undefined : ""}>
    <${PastBand} view=${view} latest=${shown.state} />
    <${Header} view=${view} latest=${shown.state ?? state} ofNow=${ofNow} again=${live.again} problem=${shown.problem} />
    <${Overall} state=${state} />
    <${Guard}><${Tabs} view=${view} /><//>
    ${ofNow && html`<${Milestones} state=${state} />`}
  </article>`;
}
