/** Who is writing something just now, in words; nobody for longer than a moment after they were last seen writing. */

import { called } from "./display.js";

const SHOWN_MS = 6_000;
const NAMED_MAX = 2;

export class Typists {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    this.users = new Map();
  }

  /** @param {string} user */
  seen(user) {
    clearTimeout(this.users.get(user));
    this.users.set(user, setTimeout(() => this.gone(user), SHOWN_MS));
    this.#draw();
  }

  /** They have sent it, or left. @param {string} user */
  gone(user) {
    clearTimeout(this.users.get(user));
    if (this.users.delete(user)) this.#draw();
  }

  clear() {
    for (const user of [...this.users.keys()]) this.gone(user);
  }

  #draw() {
    const text = words([...this.users.keys()].map(called));
    if (this.place.textContent !== text) this.place.textContent = text;
  }
}

/** @param {string[]} names @returns {string} the names are set apart from the sentence's own direction by isolates */
export function words(names) {
  const shown = names.slice(0, NAMED_MAX).map((name) => `\u2068${name}\u2069`);
  const more = names.length - shown.length;
  if (names.length === 0) return "";
  if (names.length === 1) return `${shown[0]} is writing…`;
  return more ? `${shown.join(", ")} and ${more} more are writing…` : `${shown.join(" and ")} are writing…`;
}
