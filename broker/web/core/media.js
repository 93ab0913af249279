/** What the browser's window is like. */

import { signal } from "../vendor/preact.js";

/** Whether what is touched has to be large. */
export const touched = matching("(pointer: coarse), (max-width: 600px)");
/** Whether there is room for one thing beside another. */
export const narrow = matching("(max-width: 820px)");
/** Whether it is pointed at with fingers. */
export const coarse = matching("(pointer: coarse)");

/**
 * Whether a media query holds, as it changes.
 *
 * @param {string} condition
 */
export function matching(condition) {
  const media = matchMedia(condition);
  const matches = signal(media.matches);
  media.addEventListener("change", () => (matches.value = media.matches));
  return matches;
}
