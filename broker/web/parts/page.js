/** What surrounds every page: header, the sign of the connection, keys, notes; and what failed. */

import { Component, html, useEffect, useState } from "../vendor/preact.js";
import { useKeys } from "../core/keys.js";
import { go } from "../core/route.js";
import { THEMES, theme } from "../core/theme.js";
import { common } from "../text/common.js";
import { Announcer } from "./announce.js";
import { ConnectionBand, ConnectionSign } from "./connection.js";
import { Icon } from "./icons.js";
import { KeysPanel } from "./keys_panel.js";

/** @param {{children?: any, bare?: boolean}} props `bare`: a page that is shared leads nowhere else */
export function Page({ children, bare = false }) {
  const [help, setHelp] = useState(false);
  const turn = () => (theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]);
  useKeys(common.keys.general, [
    { key: "?", does: common.keys.help, act: () => setHelp(true) },
    { key: "t", does: common.keys.theme, act: turn },
    ...(bare ? [] : [{ key: "g", does: common.keys.home, act: () => go("/") }]),
  ]);
  return html`<a class="skip" href="#content" onClick=${toContent}>${common.skip}</a>
    <header class="top">
      ${bare ? html`<span class="brand">${common.product}</span>`
        : html`<a class="brand" href="/">${common.product}</a>`}
      <${ConnectionSign} />
      <span class="top-tools">
        <button class="plain" aria-label=${common.theme[theme.value]} title=${common.theme[theme.value]} onClick=${turn}>
          <${Icon} name="theme" /></button>
        <button class="plain" aria-label=${common.help} title=${`${common.help} (?)`} onClick=${() => setHelp(true)}>
          <${Icon} name="keys" /></button>
      </span>
    </header>
    <${ConnectionBand} />
    <main id="content" tabindex="-1">${children}</main>
    <${Announcer} />
    ${help && html`<${KeysPanel} onClose=${() => setHelp(false)} />`}`;
}

/** The address bar says where one is: the link must not change it. @param {Event} event */
function toContent(event) {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

/** Keeps a failure in a part of the page from taking the rest with it. */
export class Guard extends Component {
  /** @param {any} props */
  constructor(props) {
    super(props);
    this.state = { error: null };
  }

  /** @param {unknown} error */
  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    const { error } = /** @type {{error: unknown}} */ (this.state);
    if (error === null) return /** @type {any} */ (this.props).children;
    return html`<section class="empty" role="alert"><h1>${common.broken.title}</h1>
      <p>${common.broken.detail} ${String(error)}</p>
      <button onClick=${() => this.setState({ error: null })}>${common.retry}</button></section>`;
  }
}

export function NotFound() {
  useEffect(() => {
    document.title = `${common.notFound.title} · ${common.product}`;
  }, []);
  return html`<section class="empty"><h1>${common.notFound.title}</h1><p>${common.notFound.detail}</p>
    <a class="button" href="/">${common.home}</a></section>`;
}
