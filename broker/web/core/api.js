/** Requests to the gateway, and what it says when it refuses one (RFC 9457). */

import { common } from "../text/common.js";
import { heardFrom } from "./clock.js";
import { isObject } from "./merge.js";

/** Milliseconds that an answer, or the beginning of a long one, may take. */
const WITHIN = 20_000;

export class Refused extends Error {
  /**
   * @param {number} status of HTTP; 0 where there was no answer
   * @param {string} name of the problem: `run-not-found`, `poll-rate`, …; `unreachable`, `late`, `nonsense`, `cut`
   * @param {string} detail
   * @param {number | null} retryAfter seconds
   */
  constructor(status, name, detail, retryAfter = null) {
    super(detail);
    this.status = status;
    this.name = name;
    this.retryAfter = retryAfter;
  }
}

/**
 * GET some JSON. Raises Refused.
 *
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, signal) {
  // What the browser kept would say the time of then, and the clock learns from it.
  return read(path, { headers: { Accept: "application/json" }, cache: "no-cache", signal });
}

/**
 * POST some JSON. Raises Refused.
 *
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  return read(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/**
 * The objects of an NDJSON answer as they come, many at a time. Raises Refused; a connection that
 * breaks off raises it with the name `cut`.
 *
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<any[]>}
 */
export async function* lines(path, signal) {
  const answer = await asked(path, { headers: { Accept: "application/x-ndjson" }, signal });
  answer.inTime();
  const { response } = answer;
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const parts = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = /** @type {string} */ (parts.pop());
      if (done && rest) parts.push(rest);
      if (parts.length) yield parts.filter(Boolean).map((line) => JSON.parse(line));
      if (done) break;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(response.status, "cut", common.answers.cut);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Ask for nothing but the time, which the clock then goes by. */
export async function askTime() {
  const answer = await asked("/", { method: "HEAD", cache: "no-store" }).catch(() => null);
  answer?.inTime();
}

/** @param {string} id */
export const encoded = (id) => encodeURIComponent(id);

/**
 * The object that an answer holds.
 *
 * @param {string} path
 * @param {RequestInit} init
 */
async function read(path, init) {
  const { response, failed, inTime } = await asked(path, init);
  let body;
  try {
    body = await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refused(response.status, "nonsense", common.answers.nonsense);
    throw failed(error);
  } finally {
    inTime();
  }
  if (isObject(body)) return body;
  throw new Refused(response.status, "nonsense", common.answers.nonsense);
}

/**
 * An answer that has begun; `failed` tells why it did not go on, `inTime` that it has come.
 *
 * @param {string} path
 * @param {RequestInit} init
 */
async function asked(path, init) {
  const askedAt = Date.now();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), WITHIN);
  const inTime = () => clearTimeout(timer);
  /** @param {unknown} error */
  const failed = (error) => {
    inTime();
    if (init.signal?.aborted) return error;
    return late.signal.aborted ? new Refused(0, "late", common.answers.late)
      : new Refused(0, "unreachable", common.answers.unreachable);
  };
  const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
  const response = await fetch(path, { credentials: "same-origin", ...init, signal }).catch((error) => {
    throw failed(error);
  });
  heardFrom(response.headers.get("Date"), askedAt);
  if (response.ok) return { response, failed, inTime };
  throw await refusal(response).finally(inTime);
}

/** @param {Response} response */
async function refusal(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const problem = await response.json().catch(() => null);
  const { type, detail, title } = isObject(problem) ? problem : {};
  if (typeof type !== "string") return new Refused(response.status, "nonsense", common.answers.failed(response.status), retryAfter);
  return new Refused(response.status, type.split(":").pop() ?? "", String(detail ?? title ?? type), retryAfter);
}
