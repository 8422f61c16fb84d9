/** Plays dubbed blocks one after the other, in the order in which they came, without overlap. */

/** @import {DubAudio} from "./messages.js" */

const AHEAD_SECONDS = 0.06;
const BEHIND_MAX_SECONDS = 15;

export class Dubbing {
  /** @param {(behindSeconds: number) => void} onBehind */
  constructor(onBehind) {
    this.onBehind = onBehind;
    this.context = new AudioContext();
    this.gain = this.context.createGain();
    this.gain.connect(this.context.destination);
    this.freeAt = 0;
    this.played = 0;
    this.skipped = 0;
    /** @type {Set<string>} */
    this.taken = new Set();
    /** @type {string[]} segments in the order in which they are played */
    this.order = [];
    /** @type {Promise<void>} decoding takes a different time for each block; the order stays */
    this.line = Promise.resolve();
    /** @type {Set<AudioBufferSourceNode>} */
    this.playing = new Set();
  }

  /** Must be called from a click: browsers let nothing sound before. */
  async begin() {
    await this.context.resume();
  }

  /** @param {number} volume 0..1 */
  set volume(volume) {
    this.gain.gain.setTargetAtTime(volume * volume, this.context.currentTime, 0.02);
  }

  /** @param {DubAudio} header @param {ArrayBuffer} audio */
  take(header, audio) {
    const key = `${header.lang}|${header.segment_id}|${header.start}`;
    if (this.taken.has(key)) return;
    this.taken.add(key);
    this.line = this.line.then(() => this.#schedule(header, audio));
  }

  /** Forgets what is still to be played (another language was chosen). */
  silence() {
    for (const source of this.playing) source.stop();
    this.playing.clear();
    this.freeAt = 0;
  }

  async close() {
    this.silence();
    await this.context.close();
  }

  /** @param {DubAudio} header @param {ArrayBuffer} audio */
  async #schedule(header, audio) {
    if (this.context.state === "closed") return;
    const buffer = await this.#decode(header, audio);
    if (!buffer) return;
    const now = this.context.currentTime;
    if (this.freeAt - now > BEHIND_MAX_SECONDS) {
      this.skipped += 1;
      this.onBehind(this.freeAt - now);
      return;
    }
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.addEventListener("ended", () => this.playing.delete(source));
    this.playing.add(source);
    const at = Math.max(now + AHEAD_SECONDS, this.freeAt);
    source.start(at);
    this.freeAt = at + buffer.duration;
    this.played += 1;
    this.order = [...this.order.slice(-63), header.segment_id];
    this.onBehind(this.freeAt - now - buffer.duration);
  }

  /** @param {DubAudio} header @param {ArrayBuffer} audio @returns {Promise<AudioBuffer | null>} */
  async #decode(header, audio) {
    if (audio.byteLength < 2) return null; // a last block may only say that it is the last
    if (header.encoding && header.encoding !== "pcm_s16le") {
      try {
        return await this.context.decodeAudioData(audio);
      } catch {
        this.skipped += 1; // one broken block must not silence those after it
        return null;
      }
    }
    const view = new DataView(audio);
    const buffer = this.context.createBuffer(1, Math.floor(audio.byteLength / 2), header.sample_rate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2, true) / 32768;
    return buffer;
  }
}

/** @returns {"ogg_opus" | "pcm_s16le"} the smallest encoding that this browser plays */
export function bestEncoding() {
  return new Audio().canPlayType('audio/ogg; codecs="opus"') ? "ogg_opus" : "pcm_s16le";
}
