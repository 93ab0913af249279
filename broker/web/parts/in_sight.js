/** What is chosen in a row that scrolls sideways stays in sight. */

import { useEffect, useRef } from "../vendor/preact.js";

/**
 * The reference for such a row.
 *
 * @param {unknown} chosen changes with what is chosen
 */
export function useInSight(chosen) {
  const row = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const box = row.current;
    const at = box?.querySelector('[aria-selected="true"], [aria-current]');
    if (!box || !at || box.scrollWidth <= box.clientWidth) return;
    const { left, width } = at.getBoundingClientRect();
    box.scrollLeft += left + width / 2 - box.getBoundingClientRect().left - box.clientWidth / 2;
  }, [chosen]);
  return row;
}
