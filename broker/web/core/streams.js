/**
 * What a WebSocket does, over event streams: for networks whose proxies let no WebSocket pass. It
 * speaks as one to `Wire`, and opens an event stream (docs/api.md) for each subscription.
 *
 * Browsers allow six connections to a host over HTTP/1.1. Pages need some to load: of more than
 * AT_ONCE subscriptions, each is heard for a while and then makes room for the next.
 */

import { Turns } from "./turns.js";

/** Milliseconds in which something has to be heard of a stream; heartbeats come more often. */
const SILENCE = 40_000;
/** Milliseconds before a stream that was ended cleanly is opened again. */
const PAUSE = 1_000;
const AT_ONCE = 3;
/** Milliseconds that a stream is heard while others wait. */
const TURN = 3_000;

const SPOKEN = new Set(["hello", "snapshot", "patch", "end", "log"]);

class Stream {
  constructor() {
    this.abort = new AbortController();
    /** Nothing while it waits for its turn. @type {number | null} */
    this.heardAt = null;
    this.cursor = "";
    this.over = false;
  }
}

export class StreamSocket {
  /** @param {string} url of `/v1/ws`, whose neighbours the streams are */
  constructor(url) {
    this._base = url.replace(/^ws/, "http").replace(/\/ws$/, "");
    /** @type {number} */
    this.readyState = WebSocket.CONNECTING;
    /** @type {(() => void) | null} */
    this.onopen = null;
    /** @type {((event: {data: string}) => void) | null} */
    this.onmessage = null;
    /** @type {((event: {code: number, reason: string}) => void) | null} */
    this.onclose = null;
    /** @type {Map<any, Stream>} */
    this._streams = new Map();
    this._turns = new Turns(AT_ONCE, TURN);
    this._closed = new AbortController();
    void this._begin();
  }

  /** @param {string} text a message of docs/websocket.md */
  send(text) {
    const said = JSON.parse(text);
    if (said.op === "subscribe") {
      this._end(said.id);
      const stream = new Stream();
      this._streams.set(said.id, stream);
      void this._follow(stream, said);
    } else if (said.op === "unsubscribe") this._end(said.id);
    else if (said.op === "ping" && [...this._streams.values()].every(alive)) this._say({ type: "pong", id: said.id });
  }

  close() {
    this.readyState = WebSocket.CLOSED;
    this._closed.abort();
    for (const id of [...this._streams.keys()]) this._end(id);
  }

  /** Whether the gateway is there is only known by asking it something small. */
  async _begin() {
    try {
      const { signal } = this._closed;
      const response = await fetch(`${this._base}/runs?limit=1`, { headers: { Accept: "application/json" }, signal });
      if (!response.ok || typeof (await response.json()) !== "object") throw new Error();
    } catch {
      this._lost();
      return;
    }
    if (this.readyState !== WebSocket.CONNECTING) return;
    this.readyState = WebSocket.OPEN;
    this.onopen?.();
    this._say({ type: "hello" });
  }

  /** @param {string} [reason] */
  _lost(reason = "") {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.onclose?.({ code: 1006, reason });
  }

  /** @param {any} id */
  _end(id) {
    this._streams.get(id)?.abort.abort();
    this._streams.delete(id);
  }

  /** @param {object} message */
  _say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /**
   * @param {Stream} stream
   * @param {any} asked
   */
  async _follow(stream, { id, run, list, cursor, op: _op, ...rest }) {
    stream.cursor = cursor ?? "";
    const name = { ...(list === undefined ? { run } : { list }), id };
    const path = () => address(this._base, run, list, stream.cursor ? { ...rest, tail: undefined } : rest);
    while (!stream.over && !stream.abort.signal.aborted) {
      const turn = await this._turns.take(stream.abort.signal);
      try {
        if (!stream.abort.signal.aborted) await this._listen(stream, path(), name, turn.signal);
      } catch (error) {
        if (!turn.signal.aborted) return this._lost(error instanceof Nonsense ? "nonsense" : "");
      } finally {
        stream.heardAt = null;
        turn.end();
      }
      if (!turn.signal.aborted) await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }

  /**
   * Open a stream and pass on what it says, until it ends. Raises Nonsense where it is none.
   *
   * @param {Stream} stream
   * @param {string} path
   * @param {object} name
   * @param {AbortSignal} signal
   */
  async _listen(stream, path, name, signal) {
    stream.heardAt = Date.now();
    const headers = { Accept: "text/event-stream", ...(stream.cursor && { "Last-Event-ID": stream.cursor }) };
    const response = await fetch(path, { headers, signal });
    if (response.status === 204) {
      stream.over = true;
      this._say({ type: "end", ...name });
    } else if (!response.ok) {
      const data = await refusal(response);
      stream.over = true;
      this._say({ type: "error", ...name, data });
    } else {
      const type = response.headers.get("Content-Type") ?? "";
      if (!response.body || !type.startsWith("text/event-stream")) throw new Nonsense();
      await this._read(stream, response.body, name);
    }
  }

  /**
   * @param {Stream} stream
   * @param {ReadableStream<Uint8Array>} body
   * @param {object} name
   */
  async _read(stream, body, name) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      stream.heardAt = Date.now();
      const frames = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = frames.pop() ?? "";
      for (const frame of frames) {
        const { event, id, data } = fields(frame);
        if (id) stream.cursor = id;
        if (!event || data === undefined) continue;
        if (event === "end") stream.over = true;
        const type = SPOKEN.has(event) ? event : "event";
        this._say({ type, ...name, ...(id && { cursor: id }), data });
      }
    }
  }
}

/** An answer that the gateway does not give. */
class Nonsense extends Error {}

/** @param {Stream} stream */
const alive = (stream) => stream.over || stream.heardAt === null || Date.now() - stream.heardAt < SILENCE;

/**
 * @param {string} base
 * @param {string | undefined} run
 * @param {string | undefined} list
 * @param {Record<string, any>} rest
 */
function address(base, run, list, { view = "state", ...rest }) {
  if (list !== undefined) return `${base}/runs?${list}`;
  const of = `${base}/runs/${encodeURIComponent(run ?? "")}`;
  const asked = new URLSearchParams(Object.entries(rest).filter(([, value]) => value != null));
  if (view === "logs") return `${of}/logs?${asked}`;
  return `${of}/events?view=${view}`;
}

/** @param {string} frame */
function fields(frame) {
  let [event, id, text] = ["", "", ""];
  for (const line of frame.split("\n")) {
    if (line.startsWith("event: ")) event = line.slice(7);
    else if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("data: ")) text += line.slice(6);
  }
  try {
    return { event, id, data: text ? JSON.parse(text) : undefined };
  } catch {
    throw new Nonsense();
  }
}

/** What a problem says. Raises Nonsense where the answer is none. @param {Response} response */
async function refusal(response) {
  const problem = await response.json().catch(() => null);
  if (typeof problem?.type !== "string") throw new Nonsense();
  const retry = Number(response.headers.get("Retry-After")) || undefined;
  return { ...problem, name: problem.type.split(":").pop(), retry_after: retry };
}
