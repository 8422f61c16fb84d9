/**
 * A POST that counts once: its Idempotency-Key is kept, over a reload too, until the outcome is known, so that
 * pressing the button again after a lost answer does not do the same thing twice.
 */

import { Problem, ask } from "./api.js";

/** @returns {string} 128 random bits as hexadecimal digits */
export function freshKey() {
  // Not randomUUID, which browsers have on https and localhost only.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Once {
  /** @param {string} place in sessionStorage */
  constructor(place) {
    this.place = place;
  }

  /** @param {string} text of the request @returns {string} */
  #key(text) {
    const kept = JSON.parse(sessionStorage.getItem(this.place) ?? "null");
    if (kept?.text === text) return kept.key;
    const key = freshKey();
    sessionStorage.setItem(this.place, JSON.stringify({ text, key }));
    return key;
  }

  /** @param {string} path @param {object} body @returns {Promise<any>} Throws Problem. */
  async post(path, body) {
    const key = this.#key(JSON.stringify([path, body]));
    let answer;
    try {
      answer = await ask(path, { method: "POST", body, key });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.kind === "away") {
        throw new Problem("away", `${error.message} It may have been done or not: press again, and it is done once.`, error);
      }
      // 409 says that the first one is still at work: its key is asked with again. Signing in or waiting changes nothing either.
      if (error.kind === "refused" && error.status !== 409) sessionStorage.removeItem(this.place);
      throw error;
    }
    sessionStorage.removeItem(this.place);
    return answer;
  }
}
