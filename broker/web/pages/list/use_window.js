/** The window of the search that the address says. */

import { useEffect, useRef, useState } from "../../vendor/preact.js";
import { now } from "../../core/clock.js";
import { search, sort } from "./address.js";
import { params, staleAfter } from "./search.js";
import { Shown } from "./window.js";

/**
 * @returns {{shown: Shown, query: URLSearchParams}} `query`: filters and sort, as the gateway takes them
 */
export function useWindow() {
  const [, again] = useState(0);
  const wanted = search.value;
  const query = params(wanted, now.peek());
  query.set("sort", sort.value);
  const asked = String(query);
  const same = `${sort.value} ${JSON.stringify(wanted)}`;
  const current = useRef(/** @type {{asked: string, same: string, shown: Shown} | null} */ (null));

  if (current.current?.asked !== asked) {
    const before = current.current;
    const shown = new Shown(query, wanted.statuses, before?.shown, before?.same === same);
    before?.shown.stop();
    current.current = { asked, same, shown };
  }
  useEffect(() => {
    const seconds = staleAfter(wanted);
    if (seconds === null) return undefined;
    const timer = setInterval(() => again((n) => n + 1), seconds * 1000);
    return () => clearInterval(timer);
  }, [same]);
  useEffect(() => () => current.current?.shown.stop(), []);
  return { shown: current.current.shown, query };
}
