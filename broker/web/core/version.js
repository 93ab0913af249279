/**
 * The page begins anew where a part of it comes from a gateway of another version: the old parts
 * and the new ones would not know each other.
 */

import { store, stored } from "./keep.js";

/** Milliseconds in which it does so once: while gateways are replaced, versions come and go. */
const ONCE_IN = 30_000;

const version = new URL(import.meta.url).pathname.split("/")[2];
const page = document.documentElement.dataset;
page.version ??= version;
if (page.version !== version && Date.now() - Number(stored("renewed")) > ONCE_IN) {
  store("renewed", String(Date.now()));
  location.reload();
}
