/**
 * Elements that show progress in any page: one script, no framework.
 *
 *     <script type="module" src="https://progress.example/embed.js"></script>
 *     <progress-run run="import-7" steps></progress-run>
 *
 * docs/embed.md says what each takes. The page's origin must be one of `--allowed-origins`.
 */

import { ProgressList } from "./list.js";
import { ProgressLog } from "./log.js";
import { ProgressRun } from "./run.js";

const ELEMENTS = { "progress-run": ProgressRun, "progress-list": ProgressList, "progress-log": ProgressLog };

for (const [name, element] of Object.entries(ELEMENTS))
  if (!customElements.get(name)) customElements.define(name, element);
