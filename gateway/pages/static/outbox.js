/**
 * Sound that the server has not yet said it took: kept so that a lost connection loses none of it, up
 * to a bound. Offsets are bytes of 16 kHz mono s16le PCM since the page began; no clock, no socket.
 */

export const BYTES_PER_SECOND = 32_000;
export const KEPT_MAX_BYTES = 75 * BYTES_PER_SECOND; // longer than the server waits for a lost publisher
export const FRAME_BYTES = 3_200; // 100 ms; the server wants 20..250 ms
const CATCH_UP = 4; // times real time, after a reconnect
const BURST_BYTES = 2 * BYTES_PER_SECOND;

export class Outbox {
  constructor() {
    /** @type {Uint8Array<ArrayBuffer>[]} */
    this.chunks = [];
    this.base = 0; // offset of the first kept byte
    this.end = 0; // offset after the last one
    this.sent = 0; // offset up to which this connection was given bytes
    this.shift = 0; // our offset minus the server's
    this.lostBytes = 0;
    this.allowance = BURST_BYTES;
    this.filledAt = 0;
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  push(bytes) {
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) this.chunks.push(bytes.slice(at, at + FRAME_BYTES));
    this.end += bytes.length;
    while (this.end - this.base > KEPT_MAX_BYTES) this.#forget(true);
  }

  /** @param {number} serverBytes what the server has taken, by its count */
  acknowledge(serverBytes) {
    const upTo = serverBytes + this.shift;
    while (this.chunks.length > 0 && this.base + (this.chunks[0]?.length ?? 0) <= upTo) this.#forget(false);
  }

  /**
   * A connection began: what it has to be sent again.
   * @param {number} serverBytes what the server has of this stream
   * @param {boolean} resumed whether it is the same stream as before
   */
  rewind(serverBytes, resumed) {
    if (!resumed) this.shift = this.base - serverBytes;
    this.acknowledge(serverBytes);
    const from = serverBytes + this.shift;
    if (from < this.base) {
      this.shift = this.base - serverBytes; // the server goes on from here without what was given up
      this.sent = this.base;
    } else {
      this.sent = from;
    }
  }

  /**
   * The next piece to send, or null while there is none or the pace is reached.
   * @param {number} now seconds
   * @returns {Uint8Array<ArrayBuffer> | null}
   */
  next(now) {
    const rate = CATCH_UP * BYTES_PER_SECOND;
    this.allowance = Math.min(BURST_BYTES, this.allowance + Math.max(0, now - this.filledAt) * rate);
    this.filledAt = now;
    if (this.sent >= this.end || this.allowance < FRAME_BYTES) return null;
    let at = this.base;
    for (const chunk of this.chunks) {
      if (at + chunk.length > this.sent) {
        const piece = chunk.subarray(Math.max(0, this.sent - at));
        this.sent = at + chunk.length;
        this.allowance -= piece.length;
        return piece;
      }
      at += chunk.length;
    }
    return null;
  }

  /** Seconds that are kept because the server has not acknowledged them. */
  get keptSeconds() {
    return (this.end - this.base) / BYTES_PER_SECOND;
  }

  /** Seconds that this connection was given. */
  get sentSeconds() {
    return this.sent / BYTES_PER_SECOND;
  }

  get empty() {
    return this.sent >= this.end;
  }

  /** @param {boolean} lost whether the server never got it */
  #forget(lost) {
    const chunk = this.chunks.shift();
    if (!chunk) return;
    this.base += chunk.length;
    if (lost && this.base > this.sent) this.lostBytes += chunk.length;
    this.sent = Math.max(this.sent, this.base);
  }
}
