/** Whether what is shown is live: the viewer's own silence, which is not the producer's. */

import { html, useEffect } from "../vendor/preact.js";
import { local } from "../core/clock.js";
import { ago } from "../core/format.js";
import { connection, hurry } from "../core/live.js";
import { common } from "../text/common.js";
import { announce } from "./announce.js";

/** The small sign in the header. */
export function ConnectionSign() {
  const { standing } = connection.value;
  if (standing === "idle") return null;
  return html`<span class="sign" data-standing=${standing}>
    <i class="sign-dot" aria-hidden="true" />${common.connection[standing === "open" ? "open" : "connecting"]}
  </span>`;
}

/** The band over the page while the connection is lost; nothing while it stands. */
export function ConnectionBand() {
  const { standing, since, retryAt, reason } = connection.value;
  const away = standing === "lost" || standing === "refused";
  const text = standing === "refused"
    ? common.connection.refused(reason ?? "")
    : common.connection.lost(ago(since, local.value), Math.ceil(((retryAt ?? 0) - local.value) / 1000));
  useEffect(() => {
    if (away) announce(text, { urgent: true });
  }, [away]);
  if (!away) return null;
  return html`<div class="band" data-standing=${standing}>
    <p>${text}</p><button onClick=${hurry}>${common.connection.now}</button>
  </div>`;
}
