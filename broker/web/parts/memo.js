/** Draws a part of a page again only when it is given something else. */

import { Component, html } from "../vendor/preact.js";

/**
 * The component, drawn again where one of its properties is not the same object any more. What it
 * reads of signals is followed as ever.
 *
 * @template {object} P
 * @param {(props: P) => any} Inner
 * @returns {any}
 */
export function memo(Inner) {
  return class extends Component {
    /** @param {any} next */
    shouldComponentUpdate(next) {
      const before = /** @type {any} */ (this.props);
      const names = Object.keys(next);
      return names.length !== Object.keys(before).length || names.some((name) => next[name] !== before[name]);
    }

    render() {
      return html`<${Inner} ...${this.props} />`;
    }
  };
}
