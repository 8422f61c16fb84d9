/**
 * One Socket.IO connection that goes into a room, comes back by itself where that helps, and goes on where it
 * was: whoever listens is told of the room as snapshots, each the one after the last.
 */

import { Problem } from "./api.js";
import { Line } from "./line.js";
import { OffsetGap, POLL_EVENTS, ROOM_EVENTS, after, withPoll, withPolls } from "./snapshot.js";

/** @import {Ask, LineState, Module} from "./line.js" */
/** @import {Poll, PollEvent, Resumed, RoomEvent, Snapshot} from "./snapshot.js" */

/** `left`: by this page's wish. @typedef {LineState | {phase: "left" | "closed", attempt?: undefined, retryAt?: undefined, problem?: undefined}} RoomState */

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

export class Connection {
  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {RoomState} */
    this.state = { phase: "idle" };
    /** @type {Snapshot | null} */
    this.snapshot = null;
    /** @type {(RoomEvent | PollEvent)[] | null} what came while the answer to a join was awaited */
    this.early = null;
    this.gaps = 0;
    const { load, token, random } = options;
    this.line = new Line({
      load, token, ...(random ? { random } : {}),
      greet: (ask) => this.#join(ask, true),
      onState: (state) => this.#enter(state),
      onRefused: (answer) => answer.poll && this.learn(answer.poll), // too late for a vote, and here is the result
      events: {
        warning: options.onWarning,
        "room:typing": ({ userId }) => options.onTyping(userId),
        "room:joined": (view) => this.#whole(view),
        ...Object.fromEntries([...ROOM_EVENTS, ...POLL_EVENTS].map((name) => [name, (/** @type {any} */ payload) => this.#heard(/** @type {RoomEvent | PollEvent} */ ({ name, payload }))])),
      },
    });
  }

  /** Connects; after a refusal (say, a new token) it goes on where it was. */
  start() {
    this.line.start();
  }

  /** Tries again at once instead of waiting. */
  retryNow() {
    this.line.retryNow();
  }

  /** Forgets the room: somebody else is here. */
  forget() {
    this.line.stop();
    this.early = null;
    this.snapshot = null;
  }

  /** Says that it is over, by this page's wish or the host's. @param {"left" | "closed"} phase */
  end(phase) {
    this.line.stop();
    this.#enter({ phase });
  }

  /** @param {Problem} problem */
  refuse(problem) {
    this.line.refuse(problem);
  }

  /**
   * @param {string} event @param {object} [payload]
   * @returns {Promise<any>} the answer. Throws Problem, of the kind "away" where there is none.
   */
  async ask(event, payload = {}) {
    const { socket } = this.line;
    try {
      return await this.line.ask(event, payload);
    } catch (error) {
      // The server gave the place back before this connection noticed: coming in again is what helps.
      if (error instanceof Problem && error.code === "NOT_IN_ROOM" && socket === this.line.socket) this.line.lose(error);
      throw error;
    }
  }

  /** @param {string} event @param {object} [payload] said without waiting for an answer, and lost if nobody hears it */
  tell(event, payload = {}) {
    this.line.tell(event, payload);
  }

  /** A newer token of the same person, for a connection that goes on. @param {string} token */
  async authenticate(token) {
    await this.ask("authenticate", { token });
  }

  /** Asks for the whole room again. */
  async refresh() {
    await this.#rejoin(false);
  }

  /** @param {boolean} resuming */
  async #rejoin(resuming) {
    const { socket } = this.line;
    if (this.state.phase !== "live") return;
    try {
      (await this.#join((event, payload) => this.line.ask(event, payload), resuming))();
    } catch (error) {
      if (socket !== this.line.socket) return; // it was lost meanwhile, and another one comes in by itself
      const problem = error instanceof Problem ? error : new Problem("refused", String(error));
      if (problem.kind === "away" || problem.kind === "limited") this.line.lose(problem);
      else this.refuse(problem);
    }
  }

  /** @param {Ask} ask @param {boolean} resuming @returns {Promise<() => void>} what shows the answer */
  async #join(ask, resuming) {
    this.early ??= [];
    const { snapshot } = this;
    const resume = resuming && snapshot ? { resume: { epoch: snapshot.epoch, offset: snapshot.offset } } : {};
    const answer = await ask("room:join", { roomCode: this.options.code, ...resume });
    return () => this.#answered(answer);
  }

  /** @param {Resumed | (Snapshot & {resumed?: false})} answer */
  #answered(answer) {
    const early = this.early ?? [];
    this.early = null;
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
      void this.#rejoin(this.gaps === 1);
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

  /** @param {RoomState} state */
  #enter(state) {
    if (state.phase !== "live") this.early = null;
    this.state = state;
    this.options.onState(state);
  }
}

/** @param {RoomEvent | PollEvent} event @returns {event is PollEvent} */
function isPoll(event) {
  return event.name.startsWith("poll:");
}
