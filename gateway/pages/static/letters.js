/**
 * Messages on their way to a room: sent one after the other, so that they arrive in the order in which they were
 * written; kept while the connection is away and over a reload, each under the name by which the server knows a
 * retry, so that none comes twice.
 */

import { Problem } from "./api.js";
import { freshKey } from "./once.js";

/** @typedef {{clientId: string, text: string, refusal?: string}} Letter `refusal`: why the server did not take it */

export const WAITING_MAX = 20;

export class Letters {
  /**
   * @param {object} options
   * @param {string} options.place in sessionStorage
   * @param {(letter: Letter) => Promise<unknown>} options.send throws a Problem; of the kind "away" when nobody answered
   * @param {(letters: readonly Letter[]) => void} options.onChange
   */
  constructor({ place, send, onChange }) {
    this.place = place;
    this.send = send;
    this.onChange = onChange;
    this.open = false;
    this.sending = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Letter[]} */
    this.waiting = kept(place);
  }

  /** @param {string} text @returns {boolean} whether it was taken */
  write(text) {
    if (this.waiting.length >= WAITING_MAX) return false;
    this.waiting.push({ clientId: freshKey(), text });
    this.#changed();
    void this.#post();
    return true;
  }

  /** The connection is there. */
  begin() {
    this.open = true;
    this.onChange(this.waiting);
    void this.#post();
  }

  /** It is not. */
  pause() {
    this.open = false;
    clearTimeout(this.timer);
  }

  /** @param {Letter} letter */
  again(letter) {
    delete letter.refusal;
    this.#changed();
    void this.#post();
  }

  /** @param {Letter} letter */
  drop(letter) {
    this.waiting = this.waiting.filter((other) => other !== letter);
    this.#changed();
  }

  /** Nothing more goes. @param {string} why */
  fail(why) {
    this.pause();
    if (this.waiting.length === 0) return;
    for (const letter of this.waiting) letter.refusal ??= why;
    this.#changed();
  }

  /** Forgets all: somebody else is here now. */
  clear() {
    this.pause();
    this.waiting = [];
    this.#changed();
  }

  async #post() {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    try {
      for (;;) {
        const letter = this.open ? this.waiting.find(({ refusal }) => !refusal) : undefined;
        if (!letter || !(await this.#one(letter))) return;
      }
    } finally {
      this.sending = false;
    }
  }

  /** @param {Letter} letter @returns {Promise<boolean>} whether the next one may go now */
  async #one(letter) {
    try {
      await this.send(letter);
      this.drop(letter);
      return true;
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem("refused", String(error));
      if (problem.kind === "away") return false; // `begin` comes when the connection is back
      if (problem.kind === "limited") {
        this.timer = setTimeout(() => void this.#post(), (problem.retryAfterSeconds || 1) * 1000);
        return false;
      }
      letter.refusal = problem.message;
      this.#changed();
      return true;
    }
  }

  #changed() {
    try {
      if (this.waiting.length) sessionStorage.setItem(this.place, JSON.stringify(this.waiting));
      else sessionStorage.removeItem(this.place);
    } catch {
      // Storage is off or full: they are kept until the page goes.
    }
    this.onChange(this.waiting);
  }
}

/** @param {string} place @returns {Letter[]} */
function kept(place) {
  try {
    const found = JSON.parse(sessionStorage.getItem(place) ?? "[]");
    return Array.isArray(found) ? found.slice(0, WAITING_MAX) : [];
  } catch {
    return []; // someone else wrote there, or storage is off
  }
}
