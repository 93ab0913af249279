/**
 * What stands in the search box, as terms and as the query of `GET /v1/runs`. Pure.
 *
 *     status:failed,lost label.team:data label."my team":x pipeline:"nightly import" age<1d words
 */

/** In the order in which a run may pass through them, as the gateway has it. */
export const STATUSES = ["queued", "running", "paused", "completed", "failed", "cancelled", "lost"];

const WORDS_MOST = 8;
const LONGEST = 512;
const UNITS = /** @type {Record<string, number>} */ ({ s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 });
/** A term: up to a space that stands in no quotes. In quotes, two quotes are one. */
const TERM = /(?:"(?:[^"]|"")*(?:"(?!")|$)|[^\s"])+/gu;
const KEYED = /^([a-z][\w-]*(?:\.(?:"(?:[^"]|"")*"(?!")|[^\s":])*)?):(.*)$/isu;

/** @typedef {"key" | "status" | "empty" | "age" | "long" | "words" | "label" | "twice" | "span"} Fault */
/** @typedef {{term: string, fault: Fault, key: string}} Problem */
/**
 * @typedef {object} Search
 * @property {string[]} statuses in their order; none: any
 * @property {string[]} pipelines
 * @property {string[]} labels `key:value`
 * @property {string[]} words
 * @property {string | null} parent
 * @property {number | null} younger runs that began less than so many seconds ago
 * @property {number | null} older runs that began more than so many seconds ago
 * @property {Problem[]} problems terms that say nothing, and are left out
 */

/**
 * Read a search. A term that cannot be understood is left out, and told of.
 *
 * @param {string} text
 * @returns {Search}
 */
export function parse(text) {
  /** @type {Search} */
  const found = {
    statuses: [], pipelines: [], labels: [], words: [], parent: null, younger: null, older: null, problems: [],
  };
  for (const term of terms(text)) {
    const fault = take(found, term);
    if (fault) found.problems.push({ term, fault, key: keyOf(term) });
  }
  found.statuses = STATUSES.filter((status) => found.statuses.includes(status));
  if (found.younger !== null && found.older !== null && found.older >= found.younger) {
    found.problems.push({ term: `age>${said(found.older)} age<${said(found.younger)}`, fault: "span", key: "age" });
    found.older = found.younger = null;
  }
  return found;
}

/**
 * The query of the list, without sort and place. Ages count from `now`, to about a hundredth of
 * themselves, so that the query stays the same for a while.
 *
 * @param {Search} search
 * @param {number} now milliseconds
 */
export function params(search, now) {
  const query = new URLSearchParams();
  if (search.statuses.length) query.set("status", search.statuses.join(","));
  for (const pipeline of search.pipelines) query.append("pipeline", pipeline);
  for (const label of search.labels) query.append("label", label);
  if (search.parent !== null) query.set("parent", search.parent);
  if (search.younger !== null) query.set("since", before(now, search.younger));
  if (search.older !== null) query.set("until", before(now, search.older));
  if (search.words.length) query.set("q", search.words.join(" "));
  return query;
}

/** Seconds after which `params` may say something else; null where it never does. @param {Search} search */
export function staleAfter(search) {
  const ages = [search.younger, search.older].flatMap((age) => (age === null ? [] : [grain(age)]));
  return ages.length ? Math.min(...ages) : null;
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export const terms = (text) => text.match(TERM) ?? [];

/**
 * The search with one more term; the same where it is there already.
 *
 * @param {string} text
 * @param {string} term
 */
export function withTerm(text, term) {
  const all = terms(text);
  return all.includes(term) ? text : [...all, term].join(" ");
}

/**
 * The search for these statuses alone, whichever it named before.
 *
 * @param {string} text
 * @param {readonly string[]} statuses none: any
 */
export function withStatuses(text, statuses) {
  const others = terms(text).filter((term) => keyOf(term) !== "status");
  return [...(statuses.length ? [`status:${statuses.join(",")}`] : []), ...others].join(" ");
}

/**
 * A term that finds runs with a value.
 *
 * @param {string} key `pipeline`, `parent`, `label.team`
 * @param {unknown} value
 */
export const term = (key, value) => `${key}:${quoted(String(value))}`;

/**
 * A term that finds runs with a label.
 *
 * @param {string} name
 * @param {unknown} value
 */
export const labelTerm = (name, value) => term(`label.${/[\s":]|^$/u.test(name) ? inQuotes(name) : name}`, value);

/** @param {string} value */
const quoted = (value) => (/[\s"]|^$/u.test(value) ? inQuotes(value) : value);

/** @param {string} text */
const inQuotes = (text) => `"${text.replaceAll('"', '""')}"`;

/** What stands in a text, with and without quotes. @param {string} text */
const bare = (text) => text.replace(/"((?:[^"]|"")*)(?:"(?!")|$)/gu, (_, inside) => inside.replaceAll('""', '"'));

/** @param {string} term */
function keyOf(term) {
  return /^age[<>:=]/iu.test(term) ? "age" : (KEYED.exec(term)?.[1] ?? "").toLowerCase();
}

/**
 * @param {Search} found
 * @param {string} term
 * @returns {Fault | null}
 */
function take(found, term) {
  if (/^age[<>:=]/iu.test(term)) return takeAge(found, term);
  const [, key, rest] = term.startsWith('"') ? [] : (KEYED.exec(term) ?? []);
  if (key === undefined || rest === undefined) return takeWords(found, bare(term));
  const value = bare(rest);
  const name = key.toLowerCase();
  if (value.length > LONGEST) return "long";
  if (name === "label" || name.startsWith("label.")) return takeLabel(found, key, value);
  if (!["status", "pipeline", "parent"].includes(name)) return "key";
  if (!value) return "empty";
  if (name === "status") return takeStatuses(found, value);
  if (name === "pipeline") found.pipelines.push(value);
  else if (found.parent !== null && found.parent !== value) return "twice";
  else found.parent = value;
  return null;
}

/**
 * @param {Search} found
 * @param {string} text
 * @returns {Fault | null}
 */
function takeWords(found, text) {
  const words = text.split(/\s+/u).filter(Boolean);
  if (words.some((word) => word.length > LONGEST)) return "long";
  if (found.words.length + words.length > WORDS_MOST) return "words";
  found.words.push(...words);
  return null;
}

/**
 * @param {Search} found
 * @param {string} value
 * @returns {Fault | null}
 */
function takeStatuses(found, value) {
  const named = value.toLowerCase().split(",").filter(Boolean).map((each) => (each === "canceled" ? "cancelled" : each));
  if (!named.length || named.some((each) => !STATUSES.includes(each))) return "status";
  found.statuses.push(...named);
  return null;
}

/**
 * @param {Search} found
 * @param {string} key `label.team`
 * @param {string} value
 * @returns {Fault | null}
 */
function takeLabel(found, key, value) {
  const name = bare(key.slice("label.".length));
  if (!name) return "label";
  found.labels.push(`${name}:${value}`);
  return null;
}

/**
 * @param {Search} found
 * @param {string} term `age<1d`
 * @returns {Fault | null}
 */
function takeAge(found, term) {
  const [, sign, amount, unit] = /^age([<>])=?(\d{1,6}(?:\.\d{1,3})?)([smhdw])$/iu.exec(term) ?? [];
  if (!sign) return "age";
  const seconds = Number(amount) * UNITS[unit.toLowerCase()];
  const which = sign === "<" ? "younger" : "older";
  if (found[which] !== null && found[which] !== seconds) return "twice";
  found[which] = seconds;
  return null;
}

/** How exactly an age is taken, in seconds. @param {number} age */
const grain = (age) => Math.max(5, Math.ceil(age / 100));

/**
 * @param {number} now milliseconds
 * @param {number} age seconds
 */
function before(now, age) {
  const step = grain(age) * 1000;
  return new Date(Math.floor(now / step) * step - age * 1000).toISOString();
}

/** @param {number} seconds */
function said(seconds) {
  const unit = Object.keys(UNITS).reverse().find((each) => seconds % UNITS[each] === 0 && seconds >= UNITS[each]);
  return unit ? `${seconds / UNITS[unit]}${unit}` : `${seconds}s`;
}
