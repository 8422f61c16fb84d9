/** Where a message is written: grows with it, counts what is left of its length, keeps the draft, and tells that somebody types. */

import { characters } from "./display.js";
import { byId } from "./dom.js";

export const MESSAGE_CHARACTERS_MAX = 2000;
const COUNT_FROM = 1800;
const TYPING_EVERY_MS = 3_000;

export class Composer {
  /** @param {{place: string, send: (text: string) => boolean, typing: () => void}} options `place` in sessionStorage */
  constructor({ place, send, typing }) {
    this.place = place;
    this.send = send;
    this.typing = typing;
    this.toldAt = -Infinity;
    this.form = byId("write", HTMLFormElement);
    this.field = byId("text", HTMLTextAreaElement);
    this.button = byId("send", HTMLButtonElement);
    this.count = byId("count", HTMLElement);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#changed(true));
    this.field.value = kept(place);
    this.#changed(false);
  }

  /** @param {boolean} on whether something can be written: sent now, or kept */
  set enabled(on) {
    this.field.disabled = !on;
    this.button.disabled = !on;
  }

  clear() {
    this.field.value = "";
    this.#changed(false);
  }

  /** Enter sends and Shift with Enter begins a new line; not while an input method composes. @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.field.value.trim();
    if (!text || this.#left(text) < 0) return;
    if (this.send(text)) this.clear();
    else this.#say("Too many messages wait to be sent. This one stays here until some have gone.");
    this.field.focus();
  }

  /** @param {boolean} typed */
  #changed(typed) {
    const { field } = this;
    field.style.blockSize = "auto";
    field.style.blockSize = `${field.scrollHeight + 2}px`; // and the borders
    try {
      if (field.value) sessionStorage.setItem(this.place, field.value);
      else sessionStorage.removeItem(this.place);
    } catch {
      // Storage is off: the draft lasts as long as the page.
    }
    const left = this.#left(field.value);
    if (left < 0) this.#say(`${-left} characters too many.`);
    else this.#say(left <= MESSAGE_CHARACTERS_MAX - COUNT_FROM ? `${left} characters left.` : "");
    if (!typed || !field.value.trim() || performance.now() - this.toldAt < TYPING_EVERY_MS) return;
    this.toldAt = performance.now();
    this.typing();
  }

  /** @param {string} text */
  #left(text) {
    return MESSAGE_CHARACTERS_MAX - characters(text);
  }

  /** @param {string} text */
  #say(text) {
    if (this.count.textContent !== text) this.count.textContent = text;
  }
}

/** @param {string} place @returns {string} */
function kept(place) {
  try {
    return sessionStorage.getItem(place) ?? "";
  } catch {
    return "";
  }
}
