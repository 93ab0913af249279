/** For who does not see that another page is there: the focus goes to it, and its title is said. */

import { useEffect, useLayoutEffect, useRef } from "../vendor/preact.js";
import { common } from "../text/common.js";
import { announce } from "./announce.js";

/** @param {string} path of the page that is shown */
export function useArrival(path) {
  const before = useRef(path);
  useLayoutEffect(() => {
    if (before.current !== path) document.title = common.product;
  }, [path]);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    document.getElementById("content")?.focus({ preventScroll: true });
    return titled(() => announce(document.title));
  }, [path]);
}

/**
 * Wait until the page has said what it is.
 *
 * @param {() => void} then
 */
function titled(then) {
  const observer = new MutationObserver(() => {
    observer.disconnect();
    then();
  });
  if (document.title !== common.product) then();
  else observer.observe(document.head, { subtree: true, childList: true, characterData: true });
  return () => observer.disconnect();
}
