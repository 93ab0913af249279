/**
 * JSON Merge Patch (RFC 7396), without changing what is given: what a patch does not name is
 * shared between the old value and the new one, so that `===` tells what changed.
 *
 * An object of thousands of steps is slow to copy two hundred times a second. Who looks only at the
 * sum of many patches gives `own`: objects made for one of them are changed in place by the next.
 *
 * @param {any} target
 * @param {any} patch
 * @param {WeakSet<object>} [own] objects that nobody else has seen
 * @returns {any}
 */
export function merge(target, patch, own) {
  if (!isObject(patch)) return patch;
  const before = isObject(target) ? target : {};
  const after = own?.has(before) ? before : { ...before };
  own?.add(after);
  for (const name of Object.keys(patch)) {
    const value = patch[name];
    if (value === null) delete after[name];
    else put(after, name, merge(Object.hasOwn(before, name) ? before[name] : undefined, value, own));
  }
  return after;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isObject(value) {
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
