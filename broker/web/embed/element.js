/**
 * What the three elements share: a shadow root, attributes that begin it anew, and a connection
 * that lives as long as the element is in its page.
 */

import { merge } from "../core/merge.js";
import { html, render } from "../vendor/preact.js";
import { embed } from "../text/embed.js";
import { HOME, watch } from "./connection.js";
import { sheet } from "./style.js";

/** Milliseconds between two drawings. */
const DRAWN_EVERY = 100;
const TICK = 1_000;

export class LiveElement extends HTMLElement {
  /** Attributes of which a change begins the element anew. @type {string[]} */
  static observedAttributes = ["server"];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    /** @type {any} What is shown: the state of a run, a list, or lines. */
    this.state = undefined;
    /** @type {import("../core/wire.js").Connection | null} */
    this.connection = null;
    this.problem = "";
    this._stop = () => {};
    /** What is watched: where, and which request. */
    this._watched = "";
    this._timer = 0;
    this._tick = 0;
    this._waiting = false;
  }

  /** What to watch; nothing while the element does not say. @returns {import("../core/wire.js").Request | null} */
  get request() {
    return null;
  }

  /** Whether it shows something that changes every second. */
  get ticks() {
    return false;
  }

  /** What to draw. @returns {any} */
  drawn() {
    return null;
  }

  /** Origin of the gateway; nothing where the attribute names none. @returns {string | null | undefined} */
  get server() {
    const named = this.getAttribute("server");
    if (!named) return HOME;
    const { protocol, origin } = URL.parse(named, document.baseURI) ?? {};
    return protocol === "http:" || protocol === "https:" ? origin : null;
  }

  connectedCallback() {
    this._soon();
  }

  disconnectedCallback() {
    // What is only put elsewhere goes on as it was.
    queueMicrotask(() => this.isConnected || this._end());
  }

  _end() {
    this._stop();
    this._stop = () => {};
    this._watched = "";
    clearTimeout(this._timer);
    clearTimeout(this._tick);
    this._timer = 0;
  }

  attributeChangedCallback() {
    if (this.isConnected) this._soon();
  }

  /** Begin once all attributes are there: a browser tells of them one by one. */
  _soon() {
    if (this._waiting) return;
    this._waiting = true;
    queueMicrotask(() => {
      this._waiting = false;
      if (this.isConnected) this._begin();
    });
  }

  /** Take what was told. @param {import("../core/wire.js").Told} told */
  told(told) {
    if (told.type === "snapshot") this.state = told.data;
    else if (told.type === "patch") this.state = merge(this.state, told.data);
  }

  _begin() {
    const { request, server } = this;
    const watched = JSON.stringify([server, request]);
    if (watched === this._watched) {
      this._draw();
      return;
    }
    const before = this._stop;
    this._watched = watched;
    this.state = undefined;
    this.problem = server ? "" : embed.noServer;
    this._stop = request && server
      ? watch(server, request, (told) => this._heard(told), (connection) => {
          this.connection = connection;
          this._draw();
        })
      : () => {};
    before(); // last, so that the connection they share stands
    this._draw();
  }

  /** @param {import("../core/wire.js").Told} told */
  _heard(told) {
    this.told(told);
    this.problem = told.type === "error" ? told.data?.detail || embed.hidden : "";
    if (told.type === "end")
      this.dispatchEvent(new CustomEvent("progress-end", { detail: told.data, bubbles: true, composed: true }));
    this._draw();
  }

  _draw() {
    this._timer ||= window.setTimeout(() => {
      this._timer = 0;
      this._paint();
      this.dispatchEvent(new CustomEvent("progress-change", { detail: this.state }));
    }, this.state === undefined ? 0 : DRAWN_EVERY);
  }

  _paint() {
    clearTimeout(this._tick);
    if (this.ticks) this._tick = window.setTimeout(() => this._paint(), TICK);
    render(html`${this.drawn()}<${Away} connection=${this.connection} shown=${Boolean(this.state)} problem=${this.problem} />`,
      /** @type {ShadowRoot} */ (this.shadowRoot));
  }
}

/** @param {{connection: import("../core/wire.js").Connection | null, shown: boolean, problem: string}} props */
function Away({ connection, shown, problem }) {
  const standing = connection?.standing;
  if (problem && !shown) return html`<p class="away" role="alert">${problem}</p>`;
  if (standing !== "lost" && standing !== "refused") return null;
  return html`<p class="away" role="status">${embed[standing]} ${shown && embed.last}</p>`;
}
