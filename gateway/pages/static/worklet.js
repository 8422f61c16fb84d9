/** Runs on the audio thread: gives 100 ms pieces of 16 kHz mono s16le PCM to the page. */

const RATE = 16_000;
const PIECE = RATE / 10;

class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.step = sampleRate / RATE;
    this.phase = 0;
    this.sum = 0;
    this.count = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const samples = inputs[0]?.[0];
    if (!samples) return true;
    for (const sample of samples) {
      // At the context's own 16 kHz each sample is one; at a higher rate the mean of those it covers.
      this.sum += sample;
      this.count += 1;
      this.phase += 1;
      if (this.phase < this.step) continue;
      this.phase -= this.step;
      this.#give(this.sum / this.count);
      this.sum = 0;
      this.count = 0;
    }
    return true;
  }

  /** @param {number} sample */
  #give(sample) {
    this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
    if (this.filled < PIECE) return;
    this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }
}

registerProcessor("pcm", Pcm);
