/**
 * One live socket that authenticates first, comes back by itself where that helps, resumes where it
 * left off, and gives no final subtitle twice.
 */

/** @import {Connected, Message, Refusal, Resume, Subtitle} from "./messages.js" */

/**
 * What the page shows. `retryAt` is a time of `performance.now()`.
 * @typedef {object} LiveState
 * @property {"idle" | "connecting" | "open" | "retrying" | "refused" | "ended"} phase
 * @property {number} [attempt]
 * @property {number} [retryAt]
 * @property {number} [code] close code
 * @property {Refusal | null} [error] what the server said before it closed
 */

/**
 * @typedef {object} LiveOptions
 * @property {() => string} address path and query, asked for at each connection
 * @property {() => string | null} token
 * @property {(message: Message) => void} onMessage
 * @property {(state: LiveState) => void} onState
 * @property {(header: import("./messages.js").DubAudio, audio: ArrayBuffer) => void} [onAudio]
 * @property {() => number} [random]
 */

const RETRY_CEILING_SECONDS = 20;
const OUR_FAULT_MAX = 5; // 1011 means a defect: asking for ever would only hide it
const QUIET_SECONDS = 15;
const ANSWER_SECONDS = 6;
const SETTLED_SECONDS = 10;

const AGAIN = new Set([1001, 1005, 1006, 1011, 1012, 1013, 4008, 4029]);

/** @param {number} code @returns {boolean} whether a client should come back after this close code */
export function mayRetry(code) {
  return AGAIN.has(code);
}

/**
 * How long to wait before the next attempt, so that a thousand viewers do not come at the same moment.
 * @param {number} code close code of the connection that ended
 * @param {number} attempt 0 for the first one after a connection that held
 * @param {number | undefined} retryAfterSeconds what the server asked for
 * @param {() => number} random 0 <= x < 1
 * @returns {number} seconds
 */
export function waitSeconds(code, attempt, retryAfterSeconds, random) {
  if (retryAfterSeconds !== undefined) return retryAfterSeconds + random();
  if (code === 4029) return 15 + random() * 5;
  if (code === 1012 && attempt === 0) return 0.2 + random() * 1.8;
  const ceiling = Math.min(RETRY_CEILING_SECONDS, 0.5 * 2 ** attempt);
  return ceiling * (0.5 + random() / 2);
}

/** Remembers which finals were taken, so that what a resume replays is not shown again. */
export class Seen {
  /** @param {number} [max] how many are remembered */
  constructor(max = 4096) {
    this.max = max;
    /** @type {Set<string>} */
    this.finals = new Set();
    /** @type {Map<string, number>} */
    this.revisions = new Map();
  }

  /**
   * @param {string} epoch
   * @param {Subtitle} subtitle
   * @returns {boolean} whether it is new: a final not seen, or a later interim of a segment without final
   */
  take(epoch, subtitle) {
    const key = `${epoch}|${subtitle.lang}|${subtitle.segment_id}`;
    if (this.finals.has(key)) return false;
    if (subtitle.is_final) {
      this.finals.add(key);
      this.revisions.delete(key);
      const oldest = this.finals.size > this.max ? this.finals.values().next().value : undefined;
      if (oldest !== undefined) this.finals.delete(oldest);
      return true;
    }
    if (subtitle.rev <= (this.revisions.get(key) ?? -1)) return false;
    if (this.revisions.size > 64) this.revisions.clear(); // only the segments now being spoken matter
    this.revisions.set(key, subtitle.rev);
    return true;
  }
}

export class LiveSocket {
  /** @param {LiveOptions} options */
  constructor(options) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.seen = new Seen();
    /** @type {Resume | null} */
    this.resume = null;
    /** @type {Connected | null} */
    this.connected = null;
    /** @type {LiveState} */
    this.state = { phase: "idle" };
    /** @type {number | null} */
    this.tripMs = null;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Refusal | null} */
    this.error = null;
    /** @type {import("./messages.js").DubAudio | null} */
    this.header = null;
    this.attempt = 0;
    this.faults = 0;
    this.heardAt = 0;
    this.askedAt = 0;
    this.openedAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.watch = undefined;
    this.online = () => this.retryNow();
  }

  /** Connects; after a refusal (say, a new token) it goes on where it was. */
  start() {
    this.attempt = 0;
    this.faults = 0;
    window.addEventListener("online", this.online);
    this.#connect();
  }

  /** Tries again at once instead of waiting. */
  retryNow() {
    if (this.state.phase !== "retrying") return;
    clearTimeout(this.timer);
    this.#connect();
  }

  /** Closes for good. */
  stop() {
    this.#drop(1000);
    window.removeEventListener("online", this.online);
    this.#enter({ phase: "ended", code: 1000 });
  }

  /** @param {object} message @returns {boolean} whether there was a connection to send it on */
  send(message) {
    if (this.state.phase !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** @param {ArrayBuffer | Uint8Array<ArrayBuffer> | Blob} audio @returns {boolean} whether it was sent */
  sendAudio(audio) {
    if (this.state.phase !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(audio);
    return true;
  }

  /** Bytes that the browser still has to send. */
  get bufferedBytes() {
    return this.socket?.bufferedAmount ?? 0;
  }

  #connect() {
    const token = this.options.token();
    if (token === null) {
      this.#refuse(4001, { type: "error", code: "NO_TOKEN", message: "", recoverable: false });
      return;
    }
    this.#drop(1000);
    this.error = null;
    this.header = null;
    this.#enter({ phase: "connecting", attempt: this.attempt });
    const url = new URL(this.options.address(), location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardAt = performance.now();
    this.askedAt = this.heardAt;
    this.watch = setInterval(() => this.#listenForSilence(), 1000);
    socket.addEventListener("open", () => {
      const resume = this.resume ? { resume: this.resume } : {};
      socket.send(JSON.stringify({ type: "authenticate", token, ...resume }));
    });
    socket.addEventListener("message", (event) => socket === this.socket && this.#receive(event.data));
    socket.addEventListener("close", (event) => socket === this.socket && this.#closed(event.code));
  }

  /** A dead network closes nothing: ask when it is quiet, and give up when no answer comes. */
  #listenForSilence() {
    const now = performance.now();
    const waiting = this.askedAt > this.heardAt || this.state.phase === "connecting";
    if (waiting && now - this.askedAt > ANSWER_SECONDS * 1000) {
      this.#closed(1006);
    } else if (!waiting && now - this.heardAt > QUIET_SECONDS * 1000) {
      this.#ask();
    }
    if (this.state.phase === "open" && now - this.openedAt > SETTLED_SECONDS * 1000) {
      this.attempt = 0;
      this.faults = 0;
    }
  }

  /** Measures the way there and back. */
  #ask() {
    this.askedAt = performance.now();
    this.send({ type: "ping" });
  }

  measure() {
    if (this.askedAt <= this.heardAt) this.#ask();
  }

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    this.heardAt = performance.now();
    if (typeof data !== "string") {
      const header = this.header;
      this.header = null;
      if (header) this.options.onAudio?.(header, data);
      return;
    }
    /** @type {Message} */
    const message = JSON.parse(data);
    switch (message.type) {
      case "connected":
        this.#welcome(message);
        break;
      case "subtitle":
        if (!this.#isNew(message)) return;
        break;
      case "target":
      case "resync":
        if (this.resume) this.resume = { ...this.resume, epoch: message.epoch, offset: message.offset };
        break;
      case "dub_audio":
        this.header = message;
        break;
      case "error":
        this.error = message;
        break;
      case "pong":
        this.tripMs = this.heardAt - this.askedAt;
        break;
      default:
    }
    this.options.onMessage(message);
  }

  /** @param {Connected} message */
  #welcome(message) {
    // After a resume the missed finals are still to come: their offsets, not this one, say what we have.
    const kept = message.resumed && this.resume ? this.resume.offset : message.offset;
    this.resume = { session_id: message.session_id, epoch: message.epoch, offset: kept };
    this.connected = message;
    this.openedAt = this.heardAt;
    this.askedAt = this.heardAt - 1;
    this.#enter({ phase: "open" });
  }

  /** @param {Subtitle} subtitle */
  #isNew(subtitle) {
    const taken = this.seen.take(this.resume?.epoch ?? "", subtitle);
    if (subtitle.is_final && this.resume && subtitle.offset > this.resume.offset) {
      this.resume = { ...this.resume, offset: subtitle.offset };
    }
    return taken;
  }

  /** @param {number} code */
  #closed(code) {
    this.#drop(1000);
    if (code === 1000) {
      window.removeEventListener("online", this.online);
      this.#enter({ phase: "ended", code });
      return;
    }
    if (code === 1011) this.faults += 1;
    if (!mayRetry(code) || this.faults > OUR_FAULT_MAX) {
      this.#refuse(code, this.error);
      return;
    }
    const wait = waitSeconds(code, this.attempt, this.error?.retry_after_seconds, this.random) * 1000;
    this.attempt += 1;
    this.timer = setTimeout(() => this.#connect(), wait);
    const retryAt = performance.now() + wait;
    this.#enter({ phase: "retrying", attempt: this.attempt, retryAt, code, error: this.error });
  }

  /** @param {number} code @param {Refusal | null} error */
  #refuse(code, error) {
    window.removeEventListener("online", this.online);
    this.#enter({ phase: "refused", code, error });
  }

  /** @param {number} code */
  #drop(code) {
    clearTimeout(this.timer);
    clearInterval(this.watch);
    const socket = this.socket;
    this.socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  /** @param {LiveState} state */
  #enter(state) {
    this.state = state;
    this.options.onState(state);
  }
}
