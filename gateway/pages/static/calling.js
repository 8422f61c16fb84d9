/**
 * The call of this page: which one it is, how it stands, and whether this device is in it. What is heard of it may
 * come late or twice: of two, the one with the higher version is how it stands.
 */

import { Problem, ask, serverNow } from "./api.js";
import { over } from "./call.js";
import { device } from "./device.js";
import { freshKey } from "./once.js";
import { Talk, captured, release } from "./talk.js";

/** @import {Call, CallType, CallView, Media} from "./call.js" */
/** @import {Line} from "./line.js" */
/** @import {Signal} from "./peer.js" */

/** @typedef {"none" | "asking" | "incoming" | "outgoing" | "elsewhere" | "connecting" | "live" | "ended"} Phase */

const PLACE = "stagedoor.call";
const SIGNALS_MAX = 200;
/** Refusals that say that the call is not what this page takes it for. */
const STALE = new Set(["CALL_OVER", "CALL_NOT_OPEN", "NOT_FOUND", "ALREADY_ANSWERED", "INVITATION_EXPIRED"]);

/**
 * @typedef {object} CallingOptions
 * @property {Line} line
 * @property {() => string} me
 * @property {boolean} peer whether the media go from browser to browser, through this page
 * @property {number} heartbeatSeconds
 * @property {() => void} onChange
 * @property {(call: Call) => void} onOther heard of a call that is not the one that this page shows
 */

export class Calling {
  /** @param {CallingOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Call | null} */
    this.call = null;
    /** @type {Media | null} */
    this.media = null;
    /** @type {Talk | null} */
    this.talk = null;
    /** @type {Problem | null} what went wrong with the last thing that was tried */
    this.problem = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.ringsUntil = 0; // of performance.now()
    this.busy = false;
    this.joined = false;
    this.beating = false;
    this.mine = kept();
    /** @type {Map<string, Signal[]>} what came before this side was ready for it, by call */
    this.early = new Map();
    this.beat = setInterval(() => void this.#beat(), options.heartbeatSeconds * 1000);
    window.addEventListener("pagehide", () => this.#leave());
  }

  /** @returns {Phase} */
  get phase() {
    const { call } = this;
    if (!call) return this.busy ? "asking" : "none";
    if (over(call)) return "ended";
    const ours = this.mine === call.id;
    if (call.state === "RINGING") return call.fanId === this.options.me() ? "incoming" : ours ? "outgoing" : "elsewhere";
    if (!ours) return "elsewhere";
    return call.state === "CONNECTED" ? "live" : "connecting";
  }

  // --- what is done here -------------------------------------------------------------------------------

  /** @param {string} fanId @param {CallType} callType */
  async ring(fanId, callType) {
    if (this.call && !over(this.call)) return;
    this.close();
    await this.#try(async () => {
      await this.#capture(callType);
      const body = { fanId, callType, deviceId: device };
      const view = await posted("/api/calls/initiate", body, freshKey());
      this.#mine(view.call.id);
      this.take(view);
    });
  }

  /** @param {CallType} callType with which of one's own media */
  async accept(callType) {
    const { call } = this;
    if (!call) return;
    await this.#try(async () => {
      await this.#capture(callType);
      if (this.phase !== "incoming") return;
      this.#mine(call.id);
      try {
        this.take(await posted(`/api/calls/${call.id}/accept`, { deviceId: device }));
      } catch (error) {
        this.#mine("");
        throw error;
      }
    });
  }

  async decline() {
    await this.#act("decline");
  }

  async cancel() {
    await this.#act("cancel");
  }

  async end() {
    await this.#act("end");
  }

  /** Puts away what is over, and what was said about it. */
  close() {
    if (this.call && !over(this.call)) return;
    this.call = this.media = this.problem = null;
    this.options.onChange();
  }

  /** Somebody else is here. */
  forget() {
    this.#leave();
    this.#hangUp();
    this.#mine("");
    this.call = this.media = this.problem = null;
    this.options.onChange();
  }

  /** @param {"decline" | "cancel" | "end"} act */
  async #act(act) {
    const { call } = this;
    if (!call) return;
    await this.#try(async () => this.take(await posted(`/api/calls/${call.id}/${act}`, {})));
  }

  /** @param {() => Promise<void>} work */
  async #try(work) {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    this.options.onChange();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
      if (STALE.has(error.code) && this.call) await this.#refresh(this.call.id);
    } finally {
      this.busy = false;
      if (this.phase !== "outgoing" && this.phase !== "connecting" && this.phase !== "live") this.#hangUp();
      this.options.onChange();
    }
  }

  /** @param {CallType} callType */
  async #capture(callType) {
    if (!this.options.peer) return;
    release(this.stream);
    this.stream = null;
    this.stream = await captured(callType);
  }

  // --- what is heard -----------------------------------------------------------------------------------

  /** What the server says after each connect of what rings or goes on. @param {CallView[]} views */
  async greeted(views) {
    for (const view of views) this.take(view);
    const { call } = this;
    if (call && !over(call) && !views.some((view) => view.call.id === call.id)) await this.#refresh(call.id);
    this.talk?.peer.offerAgain();
    if (this.joined) await this.#report();
  }

  /** @param {CallView} view */
  take(view) {
    const { call } = view;
    const shown = this.call;
    if (shown && shown.id !== call.id && (over(call) || !over(shown))) {
      this.options.onOther(call);
      return;
    }
    if (!shown && over(call) && call.id !== this.mine) {
      this.options.onOther(call);
      return;
    }
    if (shown?.id === call.id && call.version < shown.version) return;
    if (shown?.id !== call.id) this.problem = null;
    this.call = call;
    if (view.media) {
      this.media = view.media;
      this.#mine(call.id);
    }
    if (typeof view.remainingMs === "number") this.ringsUntil = performance.now() + view.remainingMs;
    if (over(call)) this.#hangUp();
    else this.#proceed();
    this.options.onChange();
  }

  /** @param {{callId: string} & Signal} signal */
  signalled({ callId, description, candidate }) {
    const signal = { description, candidate };
    if (this.talk && this.call?.id === callId) {
      void this.talk.peer.take(signal);
      return;
    }
    const waiting = this.early.get(callId) ?? [];
    if (waiting.length < SIGNALS_MAX) this.early.set(callId, [...waiting, signal]);
  }

  /** Does what comes next on this device: gets what the media are joined with, and joins them. */
  #proceed() {
    const { call, media, phase } = this;
    if (!call || (phase !== "connecting" && phase !== "live") || this.talk) return;
    if (!media) void this.#beat();
    else if (media.provider === "peer") void this.#join(call.id, call.callType, media);
  }

  /** @param {string} callId @param {CallType} callType @param {Media} media */
  async #join(callId, callType, media) {
    if (!this.stream) {
      // The page was loaded anew in the middle of the call.
      if (this.busy) return;
      await this.#try(() => this.#capture(callType));
    }
    if (this.talk || !this.stream || this.call?.id !== callId || over(this.call)) return;
    this.talk = new Talk({
      media, stream: this.stream,
      send: (signal) => void this.#signal(callId, signal),
      onChange: () => this.#moved(),
    });
    this.stream = null;
    for (const signal of this.early.get(callId) ?? []) void this.talk.peer.take(signal);
    this.early.clear();
    this.options.onChange();
  }

  /** @param {string} callId @param {Signal} signal */
  async #signal(callId, signal) {
    try {
      await this.options.line.ask("call:signal", { callId, ...signal });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Lost with the connection, and offered again after it; a call that is over says so by itself.
    }
  }

  #moved() {
    const joined = this.talk?.way === "connected" || (this.joined && this.talk?.way === "weak");
    if (joined !== this.joined) {
      this.joined = joined;
      void this.#report();
    }
    this.options.onChange();
  }

  /** Says whether this side is in the media: what is charged depends on it. */
  async #report() {
    const { call } = this;
    if (!call || over(call)) return;
    await this.#said("call:media", { callId: call.id, state: this.joined ? "joined" : "left" });
  }

  async #beat() {
    const { call, phase } = this;
    if (!call || this.beating || (phase !== "connecting" && phase !== "live")) return;
    this.beating = true;
    // It was not heard, or another one has it otherwise: both have to say it before anything is charged.
    if (this.joined && call.state === "ACCEPTED") await this.#report();
    await this.#said("call:heartbeat", { callId: call.id });
    this.beating = false;
  }

  /** @param {string} event @param {{callId: string, state?: string}} payload */
  async #said(event, payload) {
    try {
      this.take(await this.options.line.ask(event, payload));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (STALE.has(error.code)) await this.#refresh(payload.callId);
      // Without a connection the next one is asked how the call stands.
    }
  }

  /** @param {string} callId */
  async #refresh(callId) {
    try {
      this.take(await ask(`/api/calls/${callId}?deviceId=${encodeURIComponent(device)}`));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === "NOT_FOUND" && this.call?.id === callId) this.forget();
    }
  }

  /** The page goes away, or what it shows belongs to somebody else. */
  #leave() {
    if (this.joined && this.call && !over(this.call)) this.options.line.tell("call:media", { callId: this.call.id, state: "left" });
  }

  #hangUp() {
    this.talk?.close();
    this.talk = null;
    release(this.stream);
    this.stream = null;
    this.joined = false;
    this.early.clear();
  }

  /** @param {string} id of the call that this device is in */
  #mine(id) {
    this.mine = id;
    try {
      sessionStorage.setItem(PLACE, id);
    } catch {
      // Storage is off: after a reload the server says so, by giving media or not.
    }
  }

  /** @returns {number} ms for which it still rings */
  get ringsFor() {
    return Math.max(0, this.ringsUntil - performance.now());
  }
}

/** @returns {string} */
function kept() {
  try {
    return sessionStorage.getItem(PLACE) ?? "";
  } catch {
    return "";
  }
}

/**
 * A POST that is sent a second time where no answer came; what it asks for is done once all the same.
 * @param {string} path @param {object} body @param {string} [key]
 * @returns {Promise<CallView>} Throws Problem.
 */
async function posted(path, body, key) {
  const options = { method: "POST", body, ...(key ? { key } : {}) };
  try {
    return await ask(path, options);
  } catch (error) {
    if (!(error instanceof Problem) || error.kind !== "away") throw error;
    return await ask(path, options);
  }
}

/** @param {Call} call @returns {number} seconds until what is paid for is used up; Infinity where nothing is */
export function fundedFor(call) {
  const until = Date.parse(call.fundedUntil ?? "");
  return Number.isNaN(until) ? Infinity : Math.max(0, (until - serverNow()) / 1000);
}
