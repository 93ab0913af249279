/**
 * What a WebSocket does, over event streams: for networks whose proxies let no WebSocket pass. It
 * speaks as one to `Wire`, and opens an event stream (docs/api.md) for each subscription.
 *
 * Browsers allow six connections to a host over HTTP/1.1: more subscriptions wait for their turn.
 */

/** Milliseconds in which something has to be heard of a stream; heartbeats come more often. */
const SILENCE = 40_000;
/** Milliseconds before a stream that was ended cleanly is opened again. */
const PAUSE = 1_000;

class Stream {
  constructor() {
    this.abort = new AbortController();
    this.heardAt = Date.now();
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
    // Whether the gateway is there is only known by asking it something small.
    fetch(`${this._base}/runs?limit=1`).then(() => this._opened(), () => this._lost());
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
    for (const id of [...this._streams.keys()]) this._end(id);
  }

  _opened() {
    if (this.readyState !== WebSocket.CONNECTING) return;
    this.readyState = WebSocket.OPEN;
    this.onopen?.();
  }

  _lost() {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.onclose?.({ code: 1006, reason: "" });
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
    while (!stream.over && !stream.abort.signal.aborted) {
      try {
        const response = await fetch(address(this._base, run, list, rest), {
          headers: { Accept: "text/event-stream", ...(stream.cursor && { "Last-Event-ID": stream.cursor }) },
          signal: stream.abort.signal,
        });
        if (response.status === 204) return this._say({ type: "end", ...name });
        if (!response.ok || !response.body) return this._say({ type: "error", ...name, data: await refusal(response) });
        await this._read(stream, response.body, name);
      } catch {
        if (!stream.abort.signal.aborted) this._lost();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
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

const SPOKEN = new Set(["hello", "snapshot", "patch", "end", "log"]);

/** @param {Stream} stream */
const alive = (stream) => stream.over || Date.now() - stream.heardAt < SILENCE;

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
  return { event, id, data: text ? JSON.parse(text) : undefined };
}

/** @param {Response} response */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const retry = Number(response.headers.get("Retry-After")) || undefined;
  return { ...problem, name: String(problem.type ?? "").split(":").pop(), retry_after: retry };
}
