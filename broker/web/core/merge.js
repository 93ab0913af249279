/**
 * JSON Merge Patch (RFC 7396), without changing what is given: what a patch does not name is
 * shared between the old value and the new one, so that `===` tells what changed.
 *
 * @param {any} target
 * @param {any} patch
 * @returns {any}
 */
export function merge(target, patch) {
  if (!isObject(patch)) return patch;
  const before = isObject(target) ? target : {};
  const after = { ...before };
  for (const name of Object.keys(patch)) {
    const value = patch[name];
    if (value === null) delete after[name];
    else put(after, name, merge(Object.hasOwn(before, name) ? before[name] : undefined, value));
  }
  return after;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A step may be called `__proto__`: assigning would set the prototype.
 *
 * @param {Record<string, unknown>} object
 * @param {string} name
 * @param {unknown} value
 */
function put(object, name, value) {
  if (name === "__proto__") {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[name] = value;
  }
}
