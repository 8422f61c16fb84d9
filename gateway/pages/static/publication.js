/**
 * One stream that this page publishes: sound from a capture to the socket, kept until it is acknowledged,
 * and sent again after a reconnect. It ends only when asked to, and then finishes what was said.
 */

import { LiveSocket } from "./live.js";
import { Outbox } from "./outbox.js";

/** @import {Capture} from "./capture.js" */
/** @import {LiveState} from "./live.js" */
/** @import {Connected, Ended, Message} from "./messages.js" */

const IN_FLIGHT_MAX_BYTES = 256 * 1024;
const BLOBS_KEPT_MAX = 750; // 75 s of Opus
const END_TIMEOUT_MS = 20_000;

/**
 * @typedef {object} PublicationOptions
 * @property {string} channel
 * @property {string} language
 * @property {Capture} capture
 * @property {() => string | null} token
 * @property {(state: LiveState) => void} onState
 * @property {(message: Message) => void} onMessage
 * @property {(seconds: number) => void} onLost
 */

export class Publication {
  /** @param {PublicationOptions} options */
  constructor(options) {
    this.options = options;
    this.capture = options.capture;
    this.outbox = new Outbox();
    /** @type {{piece: Blob, seconds: number}[]} */
    this.blobs = [];
    this.capturedSeconds = 0;
    this.sentSeconds = 0;
    this.ackedSeconds = 0;
    this.reportedLostBytes = 0;
    this.sessionId = "";
    this.started = false;
    this.sentOfContainer = false;
    this.ending = false;
    this.captureStopped = false;
    this.endSent = false;
    /** @type {Ended | null} */
    this.ended = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.pump = undefined;
    const query = new URLSearchParams({
      source_lang: options.language,
      encoding: this.capture.encoding,
      sample_rate: "16000",
      captions: "1",
    });
    this.socket = new LiveSocket({
      address: () => `/ws/live/${encodeURIComponent(options.channel)}/publish?${query}`,
      token: options.token,
      onMessage: (message) => this.#receive(message),
      onState: (state) => this.#changed(state),
    });
  }

  start() {
    this.socket.start();
  }

  /** Finishes what was said, then ends the stream for everybody. */
  async end() {
    if (this.ending) return;
    this.ending = true;
    await this.#stopCapture();
    this.#send();
    setTimeout(() => {
      if (!this.ended) this.socket.stop();
    }, END_TIMEOUT_MS);
  }

  /** Gives up: the microphone is let go of at once. */
  async abandon() {
    this.socket.stop();
    clearInterval(this.pump);
    await this.#stopCapture();
  }

  /** What is kept here because the server has not got it. */
  get keptSeconds() {
    if (!this.capture.container) return this.outbox.keptSeconds;
    return this.blobs.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  async #stopCapture() {
    if (this.captureStopped) return;
    this.captureStopped = true;
    await this.capture.stop();
  }

  /** @param {LiveState} state */
  #changed(state) {
    if (state.phase === "retrying" || state.phase === "refused") this.#interrupted();
    if (state.phase === "ended" || state.phase === "refused") {
      clearInterval(this.pump);
      void this.#stopCapture();
    }
    this.options.onState(state);
  }

  #interrupted() {
    this.capture.pause(true);
    // What is left of a container nobody can read without its beginning, so another one is begun.
    if (this.capture.container && this.started && !this.captureStopped && this.sentOfContainer) {
      this.blobs = [];
      this.capture.renew();
      this.sentOfContainer = false;
    }
  }

  /** @param {Message} message */
  #receive(message) {
    if (message.type === "connected") void this.#connected(message);
    else if (message.type === "audio_ack") {
      this.outbox.acknowledge(message.bytes);
      this.ackedSeconds = message.seconds;
    } else if (message.type === "ended") this.ended = message;
    this.options.onMessage(message);
  }

  /** @param {Connected} message */
  async #connected(message) {
    const taken = message.audio ?? { bytes: 0, seconds: 0 };
    const same = this.sessionId === message.session_id; // `resumed` speaks of captions, not of sound
    this.sessionId = message.session_id;
    this.capture.pause(false);
    this.endSent = false;
    this.ackedSeconds = taken.seconds;
    if (this.capture.container) {
      const lost = this.sentSeconds - taken.seconds;
      if (this.started && same && lost > 0.2) this.options.onLost(lost);
      this.sentSeconds = taken.seconds;
    } else {
      this.outbox.rewind(taken.bytes, same);
      const lost = this.outbox.lostBytes - this.reportedLostBytes;
      if (lost > 0) this.options.onLost(lost / 32_000);
      this.reportedLostBytes = this.outbox.lostBytes;
    }
    clearInterval(this.pump);
    this.pump = setInterval(() => this.#send(), 50);
    if (!this.started) {
      this.started = true;
      await this.capture.start((piece, seconds) => this.#take(piece, seconds));
    }
    this.#send();
  }

  /** @param {Uint8Array<ArrayBuffer> | Blob} piece @param {number} seconds */
  #take(piece, seconds) {
    this.capturedSeconds += seconds;
    if (piece instanceof Blob) {
      this.blobs.push({ piece, seconds });
      if (this.blobs.length > BLOBS_KEPT_MAX) this.#restart();
    } else {
      this.outbox.push(piece);
    }
    this.#send();
  }

  /** Kept too long without a connection: begin again rather than grow without bound. */
  #restart() {
    this.options.onLost(this.keptSeconds);
    this.blobs = [];
    this.capture.renew();
    this.sentOfContainer = false;
  }

  #send() {
    if (this.capture.container) this.#sendBlobs();
    else this.#sendPcm();
    const drained = this.capture.container ? this.blobs.length === 0 : this.outbox.empty;
    if (this.ending && drained && !this.endSent) this.endSent = this.socket.send({ type: "end" });
  }

  #sendBlobs() {
    for (let kept = this.blobs[0]; kept; kept = this.blobs[0]) {
      if (this.socket.bufferedBytes > IN_FLIGHT_MAX_BYTES || !this.socket.sendAudio(kept.piece)) return;
      this.blobs.shift();
      this.sentOfContainer = true;
      this.sentSeconds += kept.seconds;
    }
  }

  #sendPcm() {
    while (this.socket.state.phase === "open" && this.socket.bufferedBytes < IN_FLIGHT_MAX_BYTES) {
      const piece = this.outbox.next(performance.now() / 1000);
      if (!piece) break;
      this.socket.sendAudio(piece);
    }
    this.sentSeconds = this.outbox.sentSeconds;
  }
}
