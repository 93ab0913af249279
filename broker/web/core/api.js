/** Requests to the gateway, and what it says when it refuses one (RFC 9457). */

import { heardFrom } from "./clock.js";

export class Refused extends Error {
  /**
   * @param {number} status of HTTP; 0 where there was no answer
   * @param {string} name of the problem: `run-not-found`, `poll-rate`, …; `unreachable`, `nonsense`
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
  const response = await asked(path, { headers: { Accept: "application/json" }, signal });
  try {
    return await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(response.status, "nonsense", "the answer is no JSON");
  }
}

/**
 * POST some JSON. Raises Refused.
 *
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const response = await asked(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return response.json();
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
  const response = await asked(path, { headers: { Accept: "application/x-ndjson" }, signal });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const parts = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = /** @type {string} */ (parts.pop());
      if (parts.length) yield parts.filter(Boolean).map((line) => JSON.parse(line));
      if (done) break;
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(response.status, "cut", "the answer broke off");
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest) yield [JSON.parse(rest)];
}

/** @param {string} id */
export const encoded = (id) => encodeURIComponent(id);

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function asked(path, init) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refused(0, "unreachable", "the gateway does not answer");
  }
  heardFrom(response.headers.get("Date"));
  if (!response.ok) throw await refusal(response);
  return response;
}

/** @param {Response} response */
async function refusal(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  try {
    const { type, detail, title } = await response.json();
    return new Refused(response.status, String(type).split(":").pop() ?? "", detail ?? title, retryAfter);
  } catch {
    return new Refused(response.status, "nonsense", `it answered ${response.status}`, retryAfter);
  }
}
