/** Whether what is shown is live: the viewer's own silence, which is not the producer's. */

import { html, useEffect, useRef } from "../vendor/preact.js";
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
  const { standing } = connection.value;
  const away = standing === "lost" || standing === "refused";
  const text = away ? said(connection.value) : "";
  const before = useRef(false);
  useEffect(() => {
    if (away) announce(text, { urgent: true });
    else if (before.current) announce(common.connection.back);
    before.current = away;
  }, [away]);
  if (!away) return null;
  return html`<section class="band" data-standing=${standing} aria-label=${common.connection.label}>
    <p class="wrap">${text}</p><button onClick=${hurry}>${common.connection.now}</button>
  </section>`;
}

/** What is wrong, and what happens next. @param {import("../core/wire.js").Connection} connection */
function said({ standing, since, retryAt, reason, code }) {
  const words = common.connection;
  if (standing === "refused") return words.refused(words.codes[code ?? 0] ?? (reason || words.code(code ?? 0)));
  const lost = words.lost(ago(since, local.value), Math.ceil(((retryAt ?? 0) - local.value) / 1000));
  return [words.why[reason ?? ""], lost].filter(Boolean).join(" ");
}
