/** A sound file, sent at the speed at which it plays, as if it were spoken now. */

import { RATE, loudness, rms } from "./capture.js";

/** @import {Capture} from "./capture.js" */

/** @param {Float32Array} samples @returns {Uint8Array<ArrayBuffer>} s16le */
export function toPcm(samples) {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i++) {
    // The scale by which browsers read s16 files, so that a 16 kHz WAV arrives as it was.
    const sample = Math.round((samples[i] ?? 0) * 32768);
    view.setInt16(i * 2, Math.max(-32768, Math.min(32767, sample)), true);
  }
  return bytes;
}

const FILE_SECONDS_MAX = 2 * 3600;

/**
 * Reads a sound file into 16 kHz mono.
 * @param {File} file
 * @returns {Promise<Float32Array>} Throws an Error that says what to do.
 */
export async function decodeFile(file) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    throw new Error("This browser cannot read that file. WAV, MP3, M4A, Ogg and WebM work in most.", { cause: error });
  }
  if (decoded.duration > FILE_SECONDS_MAX) throw new Error("The file is longer than two hours. Cut it into parts.");
  const context = new OfflineAudioContext(1, Math.max(1, Math.ceil(decoded.duration * RATE)), RATE);
  const source = context.createBufferSource();
  source.buffer = decoded;
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

/** @implements {Capture} */
export class FileCapture {
  container = false;
  encoding = /** @type {const} */ ("pcm_s16le");

  /** @param {Float32Array} samples 16 kHz @param {(done: number, total: number) => void} progress seconds */
  constructor(samples, progress) {
    this.samples = samples;
    this.progress = progress;
    this.position = 0;
    this.credit = 0; // seconds that may be given
    this.at = 0;
    this.paused = false;
    this.now = 0;
    /** @type {Worker | null} */
    this.ticker = null;
    /** @type {() => void} called once, when the file is through */
    this.onDone = () => {};
  }

  /** @param {(piece: Uint8Array<ArrayBuffer>, seconds: number) => void} take */
  async start(take) {
    this.at = performance.now();
    // A worker keeps time while the tab is in the background, where a page's own timers are slowed down.
    this.ticker = new Worker(new URL("./ticker.js", import.meta.url));
    this.ticker.onmessage = () => this.#tick(take);
  }

  /** @param {(piece: Uint8Array<ArrayBuffer>, seconds: number) => void} take */
  #tick(take) {
    const now = performance.now();
    if (!this.paused) this.credit = Math.min(5, this.credit + (now - this.at) / 1000);
    this.at = now;
    const step = RATE / 10;
    while (this.credit >= 0.1 && this.position < this.samples.length) {
      const part = this.samples.subarray(this.position, this.position + step);
      this.position += part.length;
      this.credit -= 0.1;
      this.now = loudness(rms(part));
      take(toPcm(part), part.length / RATE);
    }
    this.progress(this.position / RATE, this.samples.length / RATE);
    if (this.position >= this.samples.length) {
      this.ticker?.terminate();
      this.now = 0;
      this.onDone();
    }
  }

  renew() {}

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
  }

  level() {
    return this.now;
  }

  async stop() {
    this.ticker?.terminate();
  }
}
