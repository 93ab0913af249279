/**
 * What all pages of a browser share: one `Wire`, and for each page what it watches. Runs in the
 * SharedWorker, or in the page itself where there is none.
 *
 * A page says `{op: "watch", key, request}`, `{op: "unwatch", key}`, `{op: "rest", resting}`,
 * `{op: "hurry"}`, `{op: "check"}`; it is told `{connection}` and `{key, told}`. Runs' states and
 * lists are shared by the pages that watch them; events and log lines each page has for itself.
 *
 * While it needs the hub it says `{op: "here"}` now and then, and is answered `{here: true}`, or
 * `{gone: true}` where it was taken for closed and has to begin anew.
 */

import { Wire } from "./wire.js";

/** Milliseconds that a connection nobody uses stays open, for a reload or the next page. */
const LINGER = 10_000;
/** Milliseconds without a word after which a page that watches something was closed: browsers slow timers to one a minute. */
const SILENT = 180_000;

class Shared {
  /** @param {import("./wire.js").Request} request */
  constructor(request) {
    this.request = request;
    /** @type {Set<(told: any) => void>} */
    this.listeners = new Set();
    /** The last of each that a page which joins later has to hear. @type {any} */
    this.hello = null;
    /** @type {any} */
    this.state = undefined;
    /** @type {any} */
    this.last = null;
    this.stop = () => {};
  }
}

export class Hub {
  /** @param {string} url of `/v1/ws` */
  constructor(url) {
    /** @type {Set<Page>} */
    this.pages = new Set();
    /** @type {Map<string, Shared>} */
    this._shared = new Map();
    this.wire = new Wire(url, (connection) => {
      for (const page of this.pages) page.port.postMessage({ connection });
    });
    /** @type {any} */
    this._lingering = undefined;
  }

  /**
   * Serve a page.
   *
   * @param {MessagePort} port
   */
  serve(port) {
    const page = new Page(this, port);
    this.pages.add(page);
    port.onmessage = (event) => page.asked(event.data);
    port.postMessage({ connection: this.wire.connection });
    return page;
  }

  /** Forget pages that are there no more: without TLS, one that crashes tells nobody. */
  sweep() {
    const now = Date.now();
    for (const page of this.pages)
      if (page.active && now - page.heardAt > SILENT) {
        page.port.postMessage({ gone: true });
        page.gone();
      }
  }

  /**
   * @param {import("./wire.js").Request} request
   * @param {(told: any) => void} tell
   */
  watch(request, tell) {
    clearTimeout(this._lingering);
    const folds = "list" in request || (request.view ?? "state") === "state";
    const stop = folds ? this._join(request, tell) : this.wire.watch(request, tell);
    return () => {
      stop();
      if (this.busy) return;
      clearTimeout(this._lingering);
      this._lingering = setTimeout(() => this.busy || this.wire.rest(), LINGER);
    };
  }

  get busy() {
    return [...this.pages].some((page) => page.active);
  }

  /**
   * @param {import("./wire.js").Request} request
   * @param {(told: any) => void} tell
   */
  _join(request, tell) {
    const key = JSON.stringify(request);
    let shared = this._shared.get(key);
    if (!shared) {
      shared = this._shared.set(key, new Shared(request)).get(key);
      if (!shared) throw new Error("unreachable");
      this._begin(shared);
    } else {
      if (shared.hello) tell(shared.hello);
      if (shared.state !== undefined) tell({ type: "snapshot", data: shared.state });
      if (shared.last) tell(shared.last);
    }
    shared.listeners.add(tell);
    // Who comes, or asks again, need not wait until the others would be told that it goes on.
    if (shared.last && shared.last.data?.retry_after == null) {
      shared.stop();
      this._begin(shared);
    }
    return () => {
      shared.listeners.delete(tell);
      if (shared.listeners.size) return;
      shared.stop();
      this._shared.delete(key);
    };
  }

  /** @param {Shared} shared */
  _begin(shared) {
    /** @type {import("./wire.js").Wire["watch"]} */
    const watch = this.wire.watch.bind(this.wire);
    shared.stop = watch(shared.request, (told) => {
      if (told.type === "hello") {
        shared.hello = told;
        shared.last = null;
      } else if (told.type === "snapshot" || told.type === "patch") {
        shared.state = told.state;
        shared.last = null;
      } else shared.last = told;
      for (const tell of shared.listeners) tell(told);
    });
  }
}

class Page {
  /**
   * @param {Hub} hub
   * @param {MessagePort} port
   */
  constructor(hub, port) {
    this.hub = hub;
    this.port = port;
    this.resting = false;
    /** When it last said something, in milliseconds. */
    this.heardAt = Date.now();
    /** @type {Map<string, {request: any, awake: boolean, stop: (() => void) | null}>} */
    this._watches = new Map();
  }

  get active() {
    return [...this._watches.values()].some((watch) => watch.stop !== null);
  }

  /** @param {any} said */
  asked(said) {
    this.heardAt = Date.now();
    if (said.op === "here") {
      this.port.postMessage(this.hub.pages.has(this) ? { here: true } : { gone: true });
      this.hub.sweep();
    } else if (said.op === "watch") {
      this._end(said.key);
      const watch = { request: said.request, awake: Boolean(said.awake), stop: null };
      this._watches.set(said.key, watch);
      this._follow(said.key);
    } else if (said.op === "unwatch") {
      this._end(said.key);
    } else if (said.op === "rest") {
      this.resting = said.resting;
      for (const key of this._watches.keys()) this._follow(key);
    } else if (said.op === "hurry") {
      this.hub.wire.hurry();
    } else if (said.op === "check") {
      this.hub.wire.check();
    } else if (said.op === "bye") {
      this.gone();
    }
  }

  /** The page was closed. */
  gone() {
    for (const key of [...this._watches.keys()]) this._end(key);
    this.hub.pages.delete(this);
  }

  /**
   * Watch, or pause, as the page is seen; what has to stay awake (a bell) is watched anyway.
   *
   * @param {string} key
   */
  _follow(key) {
    const watch = this._watches.get(key);
    if (!watch) return;
    const wanted = watch.awake || !this.resting;
    if (wanted && !watch.stop) {
      watch.stop = this.hub.watch(watch.request, (told) => {
        if (told.cursor && !("list" in watch.request) && watch.request.view && watch.request.view !== "state")
          watch.request = { ...watch.request, cursor: told.cursor };
        const { state: _folded, ...rest } = told;
        this.port.postMessage({ key, told: rest });
      });
    } else if (!wanted && watch.stop) {
      const { stop } = watch;
      watch.stop = null;
      stop();
    }
  }

  /** @param {string} key */
  _end(key) {
    const watch = this._watches.get(key);
    this._watches.delete(key);
    watch?.stop?.();
  }
}
