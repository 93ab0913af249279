import assert from "node:assert/strict";
import test from "node:test";

/** Times that a page of another version begins anew, which meets a part of this one `times` times. */
async function reloads(t, times, { every = 0, state = null } = {}) {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  let count = 0;
  const browser = {
    document: { documentElement: { dataset: { version: "older" } } },
    history: { state, replaceState: (/** @type {any} */ next) => (browser.history.state = next) },
    location: { reload: () => count++ },
    get localStorage() {
      throw new Error("forbidden");
    },
  };
  Object.defineProperties(globalThis, Object.getOwnPropertyDescriptors(browser));
  for (let n = 0; n < times; n++) {
    await import(`../../broker/web/core/version.js?${t.name}-${n}`);
    t.mock.timers.tick(every);
  }
  return { count, state: browser.history.state };
}

test("a page meets a part of another version, and begins anew once, also without storage", async (t) => {
  const { count, state } = await reloads(t, 5, { state: { scrolled: 7 } });
  assert.equal(count, 1);
  assert.equal(state.scrolled, 7);
});

test("it does so again when gateways are replaced another time", async (t) => {
  assert.equal((await reloads(t, 3, { every: 60_000 })).count, 3);
});
