/** Who comes back to the list finds it where it was: each entry of the history knows how far it was scrolled. */

import { useEffect, useRef } from "../../vendor/preact.js";

/** Milliseconds after which a scroll is over. */
const STILL = 150;

/** @param {boolean} there whether the rows are, so that the page is as tall as it was */
export function useReturn(there) {
  const top = useRef(Number(history.state?.top) || 0);
  useEffect(() => {
    if (!there || !top.current) return;
    scrollTo({ top: top.current, behavior: "instant" });
    top.current = 0;
  }, [there]);
  useEffect(() => {
    let timer = 0;
    const keep = () => history.replaceState({ top: scrollY }, "");
    const scrolled = () => {
      clearTimeout(timer);
      timer = window.setTimeout(keep, STILL);
    };
    addEventListener("scroll", scrolled, { passive: true });
    return () => {
      clearTimeout(timer);
      removeEventListener("scroll", scrolled);
    };
  }, []);
}
