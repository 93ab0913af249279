/** Where a page was scrolled to, for who comes back: its content is there only after a while. */

/** Milliseconds in which the content has to come. */
const PATIENCE = 5_000;
/** What a person does who does not wait for it. */
const OWN = /** @type {const} */ (["wheel", "touchstart", "pointerdown", "keydown"]);

let stop = () => {};
history.scrollRestoration = "manual";
addEventListener("pagehide", keep);

/** Remember how far the page is scrolled, in the entry of the history that is shown. */
export function keep() {
  history.replaceState({ ...history.state, scrolled: scrollY }, "");
}

/** Scroll to where this entry of the history was left. */
export function restore() {
  stop();
  const to = Number(history.state?.scrolled) || 0;
  const begun = performance.now();
  const settle = () => {
    scrollTo({ top: to, behavior: "instant" });
    if (scrollY >= to - 1 || performance.now() - begun > PATIENCE) stop();
  };
  const observer = new ResizeObserver(settle);
  stop = () => {
    observer.disconnect();
    for (const type of OWN) removeEventListener(type, stop);
  };
  for (const type of OWN) addEventListener(type, stop, { passive: true });
  observer.observe(document.documentElement);
  observer.observe(document.body);
}
