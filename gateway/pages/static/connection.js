/**
 * One Socket.IO connection that goes into a room, comes back by itself where that helps, and goes on where it
 * was: whoever listens is told of the room as snapshots, each the one after the last.
 */

import { Problem } from "./api.js";
import { waitSeconds } from "./live.js";
import { OffsetGap, POLL_EVENTS, ROOM_EVENTS, after, withPoll, withPolls } from "./snapshot.js";

/** @import {Socket} from "socket.io-client" */
/** @import {Poll, PollEvent, Resumed, RoomEvent, Snapshot} from "./snapshot.js" */
/** @typedef {typeof import("socket.io-client")} Module */

/**
 * `retryAt` is a time of `performance.now()`; `problem` is why it waits or has stopped; `left`: by this page's wish.
 * @typedef {object} RoomState
 * @property {"idle" | "connecting" | "live" | "retrying" | "refused" | "left" | "closed"} phase
 * @property {number} [attempt]
 * @property {number} [retryAt]
 * @property {Problem | null} [problem]
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {string} code of the room
 * @property {() => Promise<Module>} load brings the Socket.IO client
 * @property {() => string | null} token
 * @property {(state: RoomState) => void} onState
 * @property {(snapshot: Snapshot, whole: boolean) => void} onSnapshot `whole`: it takes the place of all that was known
 * @property {(event: RoomEvent | PollEvent) => void} onEvent once for each event that was new, after its snapshot
 * @property {(user: string) => void} onTyping
 * @property {(warning: {code: string, expiresAt?: string}) => void} onWarning
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

/** The server is there, and cannot do it just now. */
const AWAY = new Set(["STORE_UNAVAILABLE", "DISK_FULL", "INTERNAL_ERROR", "NOT_IN_ROOM"]);

export class Connection {
  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.options = options;
    this.random = options.random ?? Math.random;
    /** @type {RoomState} */
    this.state = { phase: "idle" };
    /** @type {Snapshot | null} */
    this.snapshot = null;
    /** @type {Socket | null} */
    this.socket = null;
    /** @type {(RoomEvent | PollEvent)[] | null} what came while the answer to a join was awaited */
    this.early = null;
    this.attempt = 0;
    this.gaps = 0;
    this.liveAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.online = () => this.retryNow();
  }

  /** Connects; after a refusal (say, a new token) it goes on where it was. */
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

  /** Forgets the room: somebody else is here. */
  forget() {
    this.#drop();
    this.snapshot = null;
  }

  /** Says that it is over, by this page's wish or the host's. @param {"left" | "closed"} phase */
  end(phase) {
    this.#drop();
    window.removeEventListener("online", this.online);
    this.#enter({ phase });
  }

  /** @param {Problem} problem */
  refuse(problem) {
    this.#drop();
    window.removeEventListener("online", this.online);
    this.#enter({ phase: "refused", problem });
  }

  /**
   * @param {string} event @param {object} [payload]
   * @returns {Promise<any>} the answer. Throws Problem, of the kind "away" where there is none.
   */
  async ask(event, payload = {}) {
    const socket = this.socket;
    if (this.state.phase !== "live" || !socket?.connected) throw new Problem("away", "The connection is away.");
    return await this.#ask(socket, event, payload);
  }

  /** @param {string} event @param {object} [payload] said without waiting for an answer, and lost if nobody hears it */
  tell(event, payload = {}) {
    if (this.state.phase === "live") this.socket?.volatile.emit(event, payload);
  }

  /** A newer token of the same person, for a connection that goes on. @param {string} token */
  async authenticate(token) {
    await this.ask("authenticate", { token });
  }

  /** Asks for the whole room again. */
  async refresh() {
    const socket = this.socket;
    if (this.state.phase === "live" && socket) await this.#join(socket, false);
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
    const problem = problemOf(answer ?? {});
    if (answer?.poll) this.learn(answer.poll); // too late for a vote, and here is the result
    // The server gave the place back before this connection noticed: coming in again is what helps.
    if (problem.code === "NOT_IN_ROOM" && socket === this.socket) this.#lost(problem);
    throw problem;
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
    socket.on("connect", () => ours() && void this.#join(socket, true));
    socket.on("connect_error", (error) => ours() && this.#notConnected(error));
    socket.on("disconnect", (_reason, details) => ours() && this.#lost(null, closeCode(details)));
    socket.on("error", (body) => ours() && this.#failed(body ?? {}));
    socket.on("warning", (body) => ours() && this.options.onWarning(body));
    socket.on("room:typing", ({ userId }) => ours() && this.options.onTyping(userId));
    socket.on("room:joined", (view) => ours() && this.#whole(view));
    for (const name of [...ROOM_EVENTS, ...POLL_EVENTS]) {
      socket.on(name, (/** @type {any} */ payload) => ours() && this.#heard(/** @type {RoomEvent | PollEvent} */ ({ name, payload })));
    }
    socket.connect();
  }

  /** @param {Socket} socket @param {boolean} resuming */
  async #join(socket, resuming) {
    this.early ??= [];
    const { snapshot } = this;
    const resume = resuming && snapshot ? { resume: { epoch: snapshot.epoch, offset: snapshot.offset } } : {};
    try {
      const answer = await this.#ask(socket, "room:join", { roomCode: this.options.code, ...resume });
      if (socket !== this.socket) return;
      this.#answered(answer);
    } catch (error) {
      if (socket !== this.socket) return;
      this.early = null;
      const problem = error instanceof Problem ? error : new Problem("refused", String(error));
      if (problem.kind === "away" || problem.kind === "limited") this.#lost(problem);
      else this.refuse(problem);
    }
  }

  /** @param {Resumed | (Snapshot & {resumed?: false})} answer */
  #answered(answer) {
    const early = this.early ?? [];
    this.early = null;
    if (this.state.phase !== "live") {
      this.liveAt = performance.now();
      this.#enter({ phase: "live" });
    }
    if (answer.resumed && this.snapshot) this.#caughtUp(this.snapshot, answer);
    else this.#whole(/** @type {Snapshot} */ (answer));
    for (const event of early) this.#heard(event);
  }

  /** What was missed is told event by event, as it would have been. @param {Snapshot} seen @param {Resumed} answer */
  #caughtUp(seen, answer) {
    for (const { event: name, data: payload } of answer.missed) this.#heard(/** @type {RoomEvent} */ ({ name, payload }));
    if (this.snapshot) this.#show({ ...this.snapshot, polls: withPolls(this.snapshot.polls, answer.polls) }, seen.epoch !== answer.epoch);
  }

  /** @param {Snapshot} view */
  #whole(view) {
    if (this.early) return; // the answer to the join that is under way says the same, or something newer
    const { room, participants, messages, epoch, offset } = view;
    const polls = withPolls(this.snapshot?.polls ?? [], view.polls);
    this.#show({ room, participants, messages, polls, epoch, offset }, true);
  }

  /** @param {RoomEvent | PollEvent} event */
  #heard(event) {
    if (this.early) {
      this.early.push(event);
      return;
    }
    const seen = this.snapshot;
    if (!seen) return;
    try {
      const next = isPoll(event) ? withPoll(seen, event.payload.poll) : after(seen, event);
      if (next === seen) return;
      this.gaps = 0;
      this.#show(next, false);
      this.options.onEvent(event);
      if (event.name === "room:closed") this.end("closed");
    } catch (error) {
      if (!(error instanceof OffsetGap)) throw error;
      // What was missed is asked for; if that does not fill the gap, the whole room is.
      this.gaps += 1;
      if (this.socket) void this.#join(this.socket, this.gaps === 1);
    }
  }

  /** What an answer says of a poll, to the one who asked. @param {Poll} poll */
  learn(poll) {
    if (this.snapshot) this.#show(withPoll(this.snapshot, poll), false);
  }

  /** @param {Snapshot} snapshot @param {boolean} whole */
  #show(snapshot, whole) {
    this.snapshot = snapshot;
    this.options.onSnapshot(snapshot, whole);
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
    this.early = null;
    const socket = this.socket;
    this.socket = null;
    socket?.disconnect();
  }

  /** @param {RoomState} state */
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

/** @param {RoomEvent | PollEvent} event @returns {event is PollEvent} */
function isPoll(event) {
  return event.name.startsWith("poll:");
}
