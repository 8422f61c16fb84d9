/**
 * One Socket.IO connection that comes back by itself where that helps. After each connect it is greeted, by
 * whatever the page has to say first, and is live when that was answered.
 */

import { Problem } from "./api.js";
import { waitSeconds } from "./live.js";

/** @import {Socket} from "socket.io-client" */
/** @typedef {typeof import("socket.io-client")} Module */

/**
 * `retryAt` is a time of `performance.now()`; `problem` is why it waits or has stopped.
 * @typedef {object} LineState
 * @property {"idle" | "connecting" | "live" | "retrying" | "refused"} phase
 * @property {number} [attempt]
 * @property {number} [retryAt]
 * @property {Problem | null} [problem]
 */

/** @typedef {(event: string, payload?: object) => Promise<any>} Ask its answer. Throws Problem, of the kind "away" where there is none. */

/**
 * @typedef {object} LineOptions
 * @property {() => Promise<Module>} load brings the Socket.IO client
 * @property {() => string | null} token
 * @property {(ask: Ask) => Promise<(() => void) | void>} greet says what has to be said first, after each connect; what it
 *   returns is done once the line is live
 * @property {(state: LineState) => void} onState
 * @property {Record<string, (payload: any) => void>} events what is heard, by name
 * @property {(answer: any) => void} [onRefused] the whole of an answer that refuses something
 * @property {() => number} [random]
 */

const ANSWER_MS = 8_000;
const CONNECT_MS = 10_000;
const SETTLED_MS = 10_000;

/** @param {{code?: string, error?: string, message?: string, retry_after_seconds?: number, param?: string}} body @returns {Problem} */
export function problemOf(body) {
  const code = body.code ?? "";
  return new Problem(kindOf(code), body.error ?? body.message ?? "The server did not say why.", {
    code, param: body.param ?? "", retryAfterSeconds: body.retry_after_seconds ?? 0,
  });
}

/** @param {string} code @returns {Problem["kind"]} */
function kindOf(code) {
  if (/TOKEN|UNAUTHENTICATED/.test(code)) return "token";
  if (code === "RATE_LIMITED" || code === "TOO_MANY_CONNECTIONS") return "limited";
  return AWAY.has(code) ? "away" : "refused";
}

/** The server is there, and cannot do it just now; or has forgotten this connection, and a new one helps. */
const AWAY = new Set(["STORE_UNAVAILABLE", "DISK_FULL", "INTERNAL_ERROR", "NOT_IN_ROOM"]);

export class Line {
  /** @param {LineOptions} options */
  constructor(options) {
    this.options = options;
    this.random = options.random ?? Math.random;
    /** @type {LineState} */
    this.state = { phase: "idle" };
    /** @type {Socket | null} */
    this.socket = null;
    this.attempt = 0;
    this.liveAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.online = () => this.retryNow();
  }

  /** Connects; after a refusal (say, a new token) it goes on. */
  start() {
    this.attempt = 0;
    window.addEventListener("online", this.online);
    void this.#connect();
  }

  /** Tries again at once instead of waiting. */
  retryNow() {
    if (this.state.phase !== "retrying") return;
    clearTimeout(this.timer);
    void this.#connect();
  }

  /** Ends it by this page's wish, which needs not be told. */
  stop() {
    this.#drop();
    window.removeEventListener("online", this.online);
    this.state = { phase: "idle" };
  }

  /** Gives this connection up, and makes another one in a while. @param {Problem | null} problem why */
  lose(problem) {
    this.#lost(problem);
  }

  /** @param {Problem} problem */
  refuse(problem) {
    this.#drop();
    window.removeEventListener("online", this.online);
    this.#enter({ phase: "refused", problem });
  }

  /** @type {Ask} */
  async ask(event, payload = {}) {
    const socket = this.socket;
    if (this.state.phase !== "live" || !socket?.connected) throw new Problem("away", "The connection is away.");
    return await this.#ask(socket, event, payload);
  }

  /** @param {string} event @param {object} [payload] said without waiting for an answer, and lost if nobody hears it */
  tell(event, payload = {}) {
    if (this.state.phase === "live") this.socket?.volatile.emit(event, payload);
  }

  /** @param {Socket} socket @param {string} event @param {object} payload */
  async #ask(socket, event, payload) {
    let answer;
    try {
      answer = await socket.timeout(ANSWER_MS).emitWithAck(event, payload);
    } catch {
      // An answer that does not come is a network that is dead, whatever the socket believes.
      if (socket === this.socket && this.state.phase === "live") this.#lost(null);
      throw new Problem("away", "The server did not answer.");
    }
    if (answer?.ok) return answer;
    this.options.onRefused?.(answer ?? {});
    throw problemOf(answer ?? {});
  }

  async #connect() {
    this.#drop();
    this.#enter({ phase: "connecting", attempt: this.attempt });
    if (this.options.token() === null) {
      this.refuse(new Problem("token", "Nobody is signed in.", { code: "NO_TOKEN" }));
      return;
    }
    let module;
    try {
      module = await this.options.load();
    } catch (error) {
      this.refuse(error instanceof Problem ? error : new Problem("refused", String(error)));
      return;
    }
    if (this.state.phase === "connecting" && !this.socket) this.#open(module);
  }

  /** @param {Module} module */
  #open({ io }) {
    const socket = io({
      auth: (give) => give({ token: this.options.token() }),
      transports: ["websocket", "polling"], tryAllTransports: true,
      reconnection: false, forceNew: true, timeout: CONNECT_MS, autoConnect: false,
    });
    this.socket = socket;
    const ours = () => socket === this.socket;
    socket.on("connect", () => ours() && void this.#greet(socket));
    socket.on("connect_error", (error) => ours() && this.#notConnected(error));
    socket.on("disconnect", (_reason, details) => ours() && this.#lost(null, closeCode(details)));
    socket.on("error", (body) => ours() && this.#failed(body ?? {}));
    for (const [name, heard] of Object.entries(this.options.events)) {
      socket.on(name, (/** @type {any} */ payload) => ours() && heard(payload));
    }
    socket.connect();
  }

  /** @param {Socket} socket */
  async #greet(socket) {
    try {
      const then = await this.options.greet((event, payload = {}) => this.#ask(socket, event, payload));
      if (socket !== this.socket) return;
      this.liveAt = performance.now();
      this.#enter({ phase: "live" });
      then?.();
    } catch (error) {
      if (socket !== this.socket) return;
      const problem = error instanceof Problem ? error : new Problem("refused", String(error));
      if (problem.kind === "away" || problem.kind === "limited") this.#lost(problem);
      else this.refuse(problem);
    }
  }

  /** @param {Error & {data?: any}} error */
  #notConnected(error) {
    const said = error.data?.code ? problemOf({ message: error.message, ...error.data }) : null;
    if (said && said.kind !== "away" && said.kind !== "limited") this.refuse(said);
    else this.#lost(said);
  }

  /** What was said without waiting for an answer was refused, or the token has run out. @param {{code?: string, error?: string}} body */
  #failed(body) {
    const problem = problemOf(body);
    if (problem.kind === "token") this.refuse(problem);
  }

  /** @param {Problem | null} problem @param {number} [code] close code, where there was one */
  #lost(problem, code = 0) {
    if (this.state.phase !== "live" && this.state.phase !== "connecting") return;
    if (this.state.phase === "live" && performance.now() - this.liveAt > SETTLED_MS) this.attempt = 0;
    this.#drop();
    const asked = problem?.retryAfterSeconds || undefined;
    const wait = waitSeconds(code, this.attempt, asked, this.random) * 1000;
    this.attempt += 1;
    this.timer = setTimeout(() => void this.#connect(), wait);
    this.#enter({ phase: "retrying", attempt: this.attempt, retryAt: performance.now() + wait, problem });
  }

  #drop() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.disconnect();
  }

  /** @param {LineState} state */
  #enter(state) {
    this.state = state;
    this.options.onState(state);
  }
}

/** @param {{context?: unknown} | Error | undefined} details @returns {number} of the WebSocket that closed; 0 where none did */
function closeCode(details) {
  const context = details && "context" in details ? details.context : undefined;
  return context instanceof CloseEvent ? context.code : 0;
}
