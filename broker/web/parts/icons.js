/** Small pictures. Each status has a shape of its own, so that nothing is told by colour alone. */

import { html } from "../vendor/preact.js";

/** @type {Record<string, string>} Paths in a box of 16 by 16, drawn as lines. */
const PATHS = {
  queued: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM8 4.6V8l2.3 1.6",
  pending: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8z",
  running: "M8 1.8A6.2 6.2 0 1 1 1.8 8",
  retrying: "M13.4 5.2A6 6 0 1 0 14 8.6M13.6 1.8v3.6H10",
  paused: "M5.5 3v10M10.5 3v10",
  completed: "M2.6 8.6l3.5 3.5 7.3-8",
  failed: "M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8",
  cancelled: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM3.8 12.2l8.4-8.4",
  skipped: "M3 3.5l5 4.5-5 4.5zM12 3.5v9",
  lost: "M5.6 5.8a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.2.9-1.2 1.8M8 12.9v.2",
  unknown: "M3 8h10",
  up: "M3.5 10L8 5.5l4.5 4.5",
  down: "M3.5 6L8 10.5 12.5 6",
  right: "M6 3.5L10.5 8 6 12.5",
  search: "M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM10.5 10.5l3.6 3.6",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1.2 1.4H2.8zM6.7 14h2.6",
  share: "M6.5 9.5l5-5M7.5 4.5h4v4M12 10v2.5a1 1 0 0 1-1 1H4.5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1H6",
  theme: "M8 1.8a6.2 6.2 0 1 0 0 12.4zM8 1.8a6.2 6.2 0 0 1 0 12.4",
  keys: "M2 4h12v8H2zM4.5 6.5h0M7 6.5h0M9.5 6.5h0M12 6.5h0M5 9.5h6",
  close: "M4 4l8 8M12 4l-8 8",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2A2.6 2.6 0 0 0 9 3.3l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9A2.6 2.6 0 0 0 7 12.7l.9-.9",
  copy: "M5.5 5.5h7.7v7.7H5.5zM10.5 5.5V2.8H2.8v7.7h2.7",
  play: "M4.5 2.8l8.2 5.2-8.2 5.2z",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  back: "M12.5 8h-9M7 4L3 8l4 4",
  forth: "M3.5 8h9M9 4l4 4-4 4",
  file: "M4 1.8h5l3.2 3.2v9.2H4zM8.8 2v3.2H12",
  table: "M2.2 3h11.6v10H2.2zM2.2 6.4h11.6M6 3v10",
  picture: "M2.2 3h11.6v10H2.2zM2.5 11.5l3.3-3.6 2.5 2.6 2-2 3 3.2M10.6 5.6h.1",
  box: "M8 1.8l5.6 3v6.4L8 14.2l-5.6-3V4.8zM2.6 4.9L8 8l5.4-3.1M8 8v6",
  chart: "M2.5 2.5v11h11M5.5 11V8M8.5 11V5M11.5 11V7",
  download: "M8 2v8M4.5 7L8 10.5 11.5 7M2.8 13.4h10.4",
};

/**
 * A picture that says nothing by itself: words stand beside it, or it is in a button with a label.
 *
 * @param {{name: string}} props
 */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    <path d=${Object.hasOwn(PATHS, name) ? PATHS[name] : PATHS.unknown} />
  </svg>`;
}
