/**
 * The past that the page shows in place of what is now, and the moment that it is of.
 *
 * @typedef {object} Past
 * @property {string} cursor
 * @property {any} state as it was at that cursor
 * @property {string} time RFC 3339; when it was so
 */

import { computed, signal } from "../../vendor/preact.js";
import { now } from "../../core/clock.js";

/** Null: the page shows what is now. @type {import("../../vendor/preact.js").Signal<Past | null>} */
export const past = signal(null);

/** The moment at which a state that goes on no more is shown, in milliseconds; null while it goes on. */
export const still = signal(/** @type {number | null} */ (null));

/** The moment that the shown state is of, in milliseconds: what timers count to. */
export const present = computed(() => still.value ?? now.value);
