/** What a module of the dashboard holds that a person may read: a scanner, not a parser. */

/** After one of these a slash begins a regular expression. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\breturn|\btypeof)\s*$/;

/**
 * The text literals of a source, and its `html` templates with a NUL for what is put into them.
 *
 * @param {string} source
 * @returns {{literals: string[], templates: string[]}}
 */
export function scan(source) {
  /** @type {{literals: string[], templates: string[]}} */
  const found = { literals: [], templates: [] };
  code(source, 0, found, false);
  return found;
}

/**
 * Read code up to its end, or up to the brace that ends it where it stands in a template.
 *
 * @param {string} source
 * @param {number} from
 * @param {{literals: string[], templates: string[]}} found
 * @param {boolean} inside
 * @returns {number} the place behind it
 */
function code(source, from, found, inside) {
  let depth = 0;
  let at = from;
  while (at < source.length) {
    const rest = source.slice(at, at + 2);
    const c = source[at];
    if (rest === "//") at = end(source, "\n", at);
    else if (rest === "/*") at = end(source, "*/", at + 2);
    else if (c === '"' || c === "'") {
      const to = closing(source, c, at + 1);
      found.literals.push(source.slice(at + 1, to - 1));
      at = to;
    } else if (c === "`") at = template(source, at + 1, found, source.slice(Math.max(0, at - 4), at) === "html");
    else if (c === "/" && BEFORE_REGEX.test(source.slice(Math.max(0, at - 20), at))) at = regex(source, at + 1);
    else if (c === "}" && inside && depth === 0) return at + 1;
    else {
      if (c === "{") depth++;
      if (c === "}") depth--;
      at++;
    }
  }
  return at;
}

/**
 * @param {string} source
 * @param {number} from
 * @param {{literals: string[], templates: string[]}} found
 * @param {boolean} isHtml
 */
function template(source, from, found, isHtml) {
  let text = "";
  let at = from;
  while (source[at] !== "`") {
    if (source[at] === "\\") at += 2;
    else if (source.startsWith("${", at)) {
      at = code(source, at + 2, found, true);
      text += "\0";
    } else text += source[at++];
  }
  (isHtml ? found.templates : found.literals).push(text);
  return at + 1;
}

/** @param {string} source @param {string} mark @param {number} from */
function end(source, mark, from) {
  const at = source.indexOf(mark, from);
  return at < 0 ? source.length : at + mark.length;
}

/** @param {string} source @param {string} quote @param {number} from */
function closing(source, quote, from) {
  let at = from;
  while (source[at] !== quote) at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** @param {string} source @param {number} from */
function regex(source, from) {
  let at = from;
  let inClass = false;
  while (source[at] !== "/" || inClass) {
    if (source[at] === "[") inClass = true;
    if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}
