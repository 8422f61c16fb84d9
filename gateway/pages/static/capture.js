/** The microphone as Opus or as PCM: gives pieces as it is heard, and says how loud it is. */

import { BYTES_PER_SECOND } from "./outbox.js";

/**
 * `container` is true where the pieces make one file, so that a new connection needs a new beginning.
 * @typedef {object} Capture
 * @property {"webm_opus" | "ogg_opus" | "pcm_s16le"} encoding
 * @property {boolean} container
 * @property {(take: (piece: Uint8Array<ArrayBuffer> | Blob, seconds: number) => void) => Promise<void>} start
 * @property {() => void} renew begin a new container
 * @property {(paused: boolean) => void} pause hold back, where the source can wait
 * @property {() => number} level 0..1
 * @property {() => Promise<void>} stop gives the last pieces first
 */

export const RATE = 16_000;
const SLICE_MS = 100;

/** @type {[string, "webm_opus" | "ogg_opus"][]} */
const CONTAINERS = [["audio/webm;codecs=opus", "webm_opus"], ["audio/ogg;codecs=opus", "ogg_opus"]];

/** @param {number} rms 0..1 @returns {number} 0..1 on a scale of 60 dB, as loudness is heard */
export function loudness(rms) {
  return rms <= 0 ? 0 : Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60));
}

/** @param {Float32Array} samples @returns {number} the root of the mean square */
export function rms(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

/**
 * Asks for the microphone.
 * @param {string} device its id, or empty for the browser's default
 * @param {boolean} clean remove noise and echo
 * @returns {Promise<MediaStream>} Throws an Error that says what to do.
 */
export async function openMicrophone(device, clean) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("The browser gives a microphone only to https:// and to localhost. Open the studio there.");
  }
  const processing = { echoCancellation: clean, noiseSuppression: clean, autoGainControl: clean };
  const which = device ? { deviceId: { exact: device } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...processing, ...which } });
  } catch (error) {
    throw new Error(refused(error), { cause: error });
  }
}

/** @param {unknown} error */
function refused(error) {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return "The browser did not give the microphone. Allow it beside the address, then press “Go on air” again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No such microphone. Plug it in, or choose another one.";
    case "NotReadableError":
      return "Another program holds the microphone. Close it there, then press “Go on air” again.";
    default:
      return `The microphone could not be opened (${error}).`;
  }
}

/**
 * @param {MediaStream} stream
 * @param {string} wish auto or pcm_s16le
 * @returns {Promise<Capture>}
 */
export async function microphone(stream, wish) {
  const found = wish === "auto" && "MediaRecorder" in window
    ? CONTAINERS.find(([type]) => MediaRecorder.isTypeSupported(type))
    : undefined;
  return found ? new OpusCapture(stream, found[0], found[1]) : PcmCapture.open(stream);
}

/** Listens to a stream to show how loud it is. */
class Ear {
  /** @param {AudioContext} context @param {MediaStream} stream */
  constructor(context, stream) {
    this.context = context;
    this.source = context.createMediaStreamSource(stream);
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 8192; // 170 ms at 48 kHz: nothing that is heard falls between two looks
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
  }

  level() {
    this.analyser.getFloatTimeDomainData(this.samples);
    let loudest = 0;
    for (let at = 0; at < this.samples.length; at += 1024) loudest = Math.max(loudest, rms(this.samples.subarray(at, at + 1024)));
    return loudness(loudest);
  }

  async close() {
    this.source.disconnect();
    await this.context.close();
  }
}

/** @implements {Capture} */
class OpusCapture {
  container = true;

  /** @param {MediaStream} stream @param {string} type @param {"webm_opus" | "ogg_opus"} encoding */
  constructor(stream, type, encoding) {
    this.stream = stream;
    this.type = type;
    this.encoding = encoding;
    this.ear = new Ear(new AudioContext(), stream);
    /** @type {MediaRecorder | null} */
    this.recorder = null;
    this.takenAt = 0;
    /** @type {(piece: Blob, seconds: number) => void} */
    this.take = () => {};
  }

  /** @param {(piece: Blob, seconds: number) => void} take */
  async start(take) {
    this.take = take;
    this.renew();
  }

  renew() {
    const old = this.recorder;
    if (old) old.ondataavailable = null;
    if (old?.state === "recording") old.stop();
    const recorder = new MediaRecorder(this.stream, { mimeType: this.type, audioBitsPerSecond: 24_000 });
    recorder.ondataavailable = ({ data }) => {
      const now = performance.now();
      const seconds = (now - this.takenAt) / 1000;
      this.takenAt = now;
      if (data.size > 0) this.take(data, seconds);
    };
    this.takenAt = performance.now();
    recorder.start(SLICE_MS);
    this.recorder = recorder;
  }

  pause() {} // a microphone cannot wait

  level() {
    return this.ear.level();
  }

  async stop() {
    const recorder = this.recorder;
    if (recorder?.state === "recording") {
      await new Promise((done) => {
        recorder.addEventListener("stop", done, { once: true });
        recorder.stop();
      });
    }
    for (const track of this.stream.getTracks()) track.stop();
    await this.ear.close();
  }
}

/** @implements {Capture} */
class PcmCapture {
  container = false;
  encoding = /** @type {const} */ ("pcm_s16le");

  /** @param {MediaStream} stream @param {Ear} ear */
  constructor(stream, ear) {
    this.stream = stream;
    this.ear = ear;
    /** @type {AudioWorkletNode | null} */
    this.node = null;
  }

  /** @param {MediaStream} stream */
  static async open(stream) {
    try {
      return new PcmCapture(stream, new Ear(new AudioContext({ sampleRate: RATE }), stream));
    } catch {
      // Firefox does not convert between a microphone's rate and a context's; the worklet does then.
      return new PcmCapture(stream, new Ear(new AudioContext(), stream));
    }
  }

  /** @param {(piece: Uint8Array<ArrayBuffer>, seconds: number) => void} take */
  async start(take) {
    const { context, source } = this.ear;
    await context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => {
      const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (data));
      take(bytes, bytes.length / BYTES_PER_SECOND);
    };
    source.connect(node);
    this.node = node;
  }

  renew() {}
  pause() {}

  level() {
    return this.ear.level();
  }

  async stop() {
    this.node?.disconnect();
    for (const track of this.stream.getTracks()) track.stop();
    await this.ear.close();
  }
}
