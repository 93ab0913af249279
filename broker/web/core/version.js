/**
 * The page begins anew where a part of it comes from a gateway of another version: the old parts
 * and the new ones would not know each other.
 */

/** Milliseconds in which it does so once: while gateways are replaced, versions come and go. */
const ONCE_IN = 30_000;

const version = new URL(import.meta.url).pathname.split("/")[2];
const page = document.documentElement.dataset;
page.version ??= version;
// The history remembers it where storage is forbidden, too: else the page would begin anew for ever.
if (page.version !== version && Date.now() - (history.state?.renewed ?? 0) > ONCE_IN) {
  history.replaceState({ ...history.state, renewed: Date.now() }, "");
  location.reload();
}
