/** The chat of a room: every message once, following the newest unless the reader has scrolled up. */

import { called, linked, named } from "./display.js";
import { make, soon } from "./dom.js";
import { moment, read } from "./times.js";

/** @import {Message} from "./snapshot.js" */
/** @import {Letter} from "./letters.js" */

const ENTRIES_MAX = 500;
const NEAR_THE_END_PIXELS = 48;
const TOGETHER_MS = 5 * 60_000;

/** @param {string} user @param {string} at @param {boolean} mine @returns {HTMLElement} who wrote and when */
function heading(user, at, mine) {
  const sent = read(at);
  const when = make("time", {}, sent === null ? "" : moment(sent, Date.now()));
  if (sent !== null) {
    when.dateTime = at;
    when.title = new Date(sent).toLocaleString([], { dateStyle: "full", timeStyle: "medium" });
  }
  const who = make("b", {}, named(user));
  return make("p", { class: "wrote" }, who, ...(mine ? [make("span", { class: "tag" }, "you")] : []), " ", when);
}

/** @param {string} text */
function body(text) {
  return make("p", { class: "words", dir: "auto" }, ...linked(text));
}

export class Chat {
  /**
   * @param {{log: HTMLElement, newest: HTMLButtonElement}} places
   * @param {{again: (letter: Letter) => void, drop: (letter: Letter) => void}} acts
   */
  constructor({ log, newest }, acts) {
    this.log = log;
    this.button = newest;
    this.acts = acts;
    this.me = "";
    this.following = true;
    this.unread = 0;
    this.asked = false;
    this.offset = 0;
    /** @type {{user: string, at: number} | null} who wrote last, so that a second message needs no name */
    this.last = null;
    this.entries = make("div");
    this.pending = make("div");
    this.nothing = make("p", { class: "empty" }, "Nothing written yet. Say hello.");
    log.replaceChildren(this.nothing, this.entries, this.pending);
    log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.following && this.#toEnd()).observe(log);
    newest.addEventListener("click", () => {
      this.#toEnd();
      log.focus();
    });
  }

  /** Begins anew, as somebody else perhaps. */
  clear() {
    this.entries.replaceChildren();
    this.pending.replaceChildren();
    this.nothing.hidden = false;
    this.following = true;
    this.offset = 0;
    this.last = null;
    this.#tell();
  }

  /**
   * Adds those of `messages` that are not there yet.
   * @param {readonly Message[]} messages in the order of their offsets
   * @returns {Message[]} those that were added
   */
  add(messages) {
    const fresh = messages.filter(({ offset }) => offset > this.offset);
    const [one] = fresh;
    if (!one) return [];
    const earlier = this.following ? 0 : fresh.length;
    for (const message of fresh) this.#append(message);
    this.nothing.hidden = true;
    while (this.entries.childElementCount > ENTRIES_MAX) this.entries.firstElementChild?.remove();
    this.unread += earlier;
    this.#follow();
    return fresh;
  }

  /** Says in its place that something is missing. @param {string} text */
  note(text) {
    this.last = null;
    this.nothing.hidden = true;
    this.entries.append(make("p", { class: "missing" }, text));
    this.#follow();
  }

  /** What is on its way stands below everything, in the order in which it goes. @param {readonly Letter[]} letters */
  wait(letters) {
    this.pending.replaceChildren(...letters.map((letter) => this.#letter(letter)));
    if (letters.length) this.nothing.hidden = true;
    else this.nothing.hidden = this.entries.childElementCount > 0;
    this.#follow();
  }

  /** One's own message: whoever writes wants to see it. */
  toEnd() {
    this.#toEnd();
  }

  /** @param {Message} message */
  #append(message) {
    const mine = message.userId === this.me;
    const at = read(message.at) ?? 0;
    const same = this.last?.user === message.userId && at - this.last.at < TOGETHER_MS;
    const entry = make("article", { class: mine ? "entry mine" : "entry", "aria-label": mine ? "You" : called(message.userId) });
    if (!same) entry.append(heading(message.userId, message.at, mine));
    entry.append(body(message.text));
    this.entries.append(entry);
    this.last = { user: message.userId, at };
    this.offset = message.offset;
  }

  /** @param {Letter} letter */
  #letter(letter) {
    const entry = make("article", { class: "entry mine waiting", "aria-label": "You, not sent yet" }, body(letter.text));
    if (!letter.refusal) {
      entry.append(make("p", { class: "hint" }, "Sending…"));
      return entry;
    }
    const again = make("button", { type: "button", class: "small-button" }, "Send again");
    const drop = make("button", { type: "button", class: "small-button" }, "Discard");
    again.addEventListener("click", () => this.acts.again(letter));
    drop.addEventListener("click", () => this.acts.drop(letter));
    entry.append(make("p", { class: "problem" }, `Not sent. ${letter.refusal}`), make("div", { class: "row" }, again, drop));
    return entry;
  }

  /** Many messages at once are scrolled to once: each time the page has to be laid out for it. */
  #follow() {
    if (!this.following) this.#tell();
    else if (!this.asked) {
      this.asked = true;
      soon(() => {
        this.asked = false;
        if (this.following) this.#toEnd();
      });
    }
  }

  #toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.following = true;
    this.unread = 0;
    this.#tell();
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.log;
    this.following = scrollHeight - clientHeight - scrollTop < NEAR_THE_END_PIXELS;
    if (this.following) this.unread = 0;
    this.#tell();
  }

  #tell() {
    this.button.hidden = this.following;
    const text = this.unread ? `${this.unread} new below` : "Jump to the newest";
    if (this.button.textContent !== text) this.button.textContent = text;
  }
}
