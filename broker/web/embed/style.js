/**
 * The look of the elements. A page changes it by `--progress-*` variables, which reach into a
 * shadow root, and by `::part()`.
 */

const DARK = `
  --text: var(--progress-text, #e7e9ec); --muted: var(--progress-muted, #a1a9b2); --surface: var(--progress-surface, #181b1e);
  --line: var(--progress-line, #2c3136); --sunken: var(--progress-track, #0b0d0e);
  --queued: var(--progress-queued, #a3abb5); --running: var(--progress-running, #7fb0ff); --paused: var(--progress-paused, #e0b04c);
  --completed: var(--progress-completed, #63c587); --failed: var(--progress-failed, #ff8a80); --cancelled: var(--progress-cancelled, #a3abb5);
  --lost: var(--progress-lost, #d79af0); --skipped: #959da6; --pending: #7b838c; --retrying: #f0a35c; `;

export const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: block; font: 14px/1.45 var(--progress-font, system-ui, sans-serif); color: var(--text); container-type: inline-size;
  --text: var(--progress-text, #1b1d1f); --muted: var(--progress-muted, #575c62); --surface: var(--progress-surface, #fff);
  --line: var(--progress-line, #dcdcd7); --sunken: var(--progress-track, #eeeeeb);
  --queued: var(--progress-queued, #575f69); --running: var(--progress-running, #1f5fd0); --paused: var(--progress-paused, #85560a);
  --completed: var(--progress-completed, #14733b); --failed: var(--progress-failed, #b3261e); --cancelled: var(--progress-cancelled, #575f69);
  --lost: var(--progress-lost, #7f3a9c); --skipped: #6b7178; --pending: #868b92; --retrying: #b05a00; }
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) {${DARK}} }
:host([theme="dark"]) {${DARK}}
*, *::before { box-sizing: border-box; }
p, ol, ul { margin: 0; padding: 0; list-style: none; }
.box { display: grid; gap: 8px; padding: 12px; background: var(--surface); border: 1px solid var(--line); border-radius: var(--progress-radius, 8px); min-width: 0; }
.line { display: flex; gap: 10px; align-items: center; min-width: 0; }
.name { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 600; unicode-bidi: isolate; color: inherit; }
.clip { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: isolate; }
.line > .clip { flex: 1; } .muted { color: var(--muted); } .numbers { font-variant-numeric: tabular-nums; white-space: nowrap; }
.error { color: var(--failed); overflow-wrap: anywhere; max-height: 6em; overflow: auto; unicode-bidi: isolate; }
.away { color: var(--muted); font-size: 0.9em; padding: 4px 0 0; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
${["queued", "pending", "running", "retrying", "paused", "completed", "failed", "cancelled", "skipped", "lost"]
  .map((status) => `[data-status="${status}"] { --status: var(--${status}); }`).join("\n")}
.status { display: inline-flex; align-items: center; gap: 5px; color: var(--status, var(--muted)); font-weight: 550; white-space: nowrap; }
.icon { width: 15px; height: 15px; flex: none; fill: none; stroke: currentcolor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
.bar { position: relative; display: flex; flex: 1; min-width: 60px; height: var(--progress-height, 8px); border-radius: 4px; overflow: hidden; background: var(--sunken); box-shadow: inset 0 0 0 1px var(--line); }
.bar > i { display: block; height: 100%; background: var(--status, var(--running)); }
.bar > .fill { width: 100%; transform-origin: 0 50%; }
.bar[data-unknown] > i { display: none; }
.bar[data-unknown][data-status="running"]::after { content: ""; position: absolute; inset: 0; opacity: 0.55;
  background: repeating-linear-gradient(-45deg, var(--running) 0 8px, transparent 8px 16px); }
.steps { display: grid; gap: 4px; max-height: var(--progress-steps-height, 320px); overflow: auto; }
.steps .line > .bar { max-width: 90px; }
.rows { display: grid; gap: 8px; } .rows li + li { border-top: 1px solid var(--line); padding-top: 8px; }
.log { font: 12.5px/19px var(--progress-mono, ui-monospace, monospace); max-height: var(--progress-log-height, 320px); overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.log > div { unicode-bidi: isolate; } .log [data-level="error"] { color: var(--failed); } .log [data-level="warning"] { color: var(--paused); }
@media (forced-colors: active) { .bar { border: 1px solid CanvasText; } .bar > i { background: Highlight; forced-color-adjust: none; } }
`);
