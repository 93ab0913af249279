/** How tall things are: all rows have the same height, which depends on how much stands side by side. */

import { computed, signal } from "../../vendor/preact.js";
import { matching } from "../../core/media.js";

/** One line of cells, two lines of cells, or a card. styles/list.css breaks at the same widths. */
const wide = matching("(min-width: 1100px)");
const middle = matching("(min-width: 700px)");

/** Of a row, in pixels. */
export const rowHeight = computed(() => (wide.value ? 68 : middle.value ? 100 : 172));

/** Pixels at the top of the page that the search covers while rows scroll below it. */
export const covered = signal(0);
