/** The transcript: every final once, following the newest unless the reader has scrolled up. */

import { clock, direction, make } from "./dom.js";

/** @import {Subtitle} from "./messages.js" */

const ENTRIES_MAX = 5000; // about six hours of speech; the download has all of it
const NEAR_THE_END_PIXELS = 32;

export class Transcript {
  /**
   * @param {HTMLElement} place
   * @param {HTMLButtonElement | null} follow button that is offered while the reader is further up
   */
  constructor(place, follow) {
    this.place = place;
    this.button = follow;
    this.following = true;
    /** @type {Set<string>} */
    this.taken = new Set();
    place.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    follow?.addEventListener("click", () => {
      this.following = true;
      this.#follow();
      place.focus();
    });
  }

  /** @param {Pick<Subtitle, "text" | "lang" | "start">} subtitle */
  add(subtitle) {
    const key = `${subtitle.lang}|${subtitle.start.toFixed(2)}|${subtitle.text}`;
    if (this.taken.has(key)) return;
    this.taken.add(key);
    const text = make("span", { lang: subtitle.lang, dir: direction(subtitle.lang) }, subtitle.text.replaceAll("\n", " "));
    const entry = make("div", { class: "said" }, make("time", {}, clock(subtitle.start)), text);
    entry.dataset.start = String(subtitle.start);
    this.#insert(entry);
  }

  /** Says in its place that something is missing. @param {string} text */
  note(text) {
    this.#insert(make("div", { class: "missing" }, text));
  }

  /** Says that another stream begins; its clock starts at zero again. */
  divide() {
    if (this.taken.size === 0) return;
    this.taken.clear();
    this.note("A new stream began.");
  }

  clear() {
    this.place.replaceChildren();
    this.taken.clear();
    this.following = true;
    if (this.button) this.button.hidden = true;
  }

  /** Whether anything was said. */
  get size() {
    return this.taken.size;
  }

  /** @param {HTMLElement} entry */
  #insert(entry) {
    this.place.querySelector(":scope > .empty")?.remove();
    this.place.append(entry);
    while (this.place.childElementCount > ENTRIES_MAX) this.place.firstElementChild?.remove();
    this.#follow();
  }

  #follow() {
    if (this.following) this.place.scrollTop = this.place.scrollHeight;
    if (this.button) this.button.hidden = this.following;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.place;
    this.following = scrollHeight - clientHeight - scrollTop < NEAR_THE_END_PIXELS;
    if (this.button) this.button.hidden = this.following;
  }
}

/** @typedef {{start: number, end: number, text: string}} Said */

/**
 * What was said before this page came, if the server still has it.
 * @param {string} channel @param {string} lang @param {string} token
 * @returns {Promise<Said[]>}
 */
export async function earlier(channel, lang, token) {
  const response = await ask(channel, lang, token, "json");
  if (!response.ok) return [];
  const body = /** @type {{captions: Said[]}} */ (await response.json());
  return body.captions;
}

/**
 * Fetches the transcript and gives it to the browser as a file.
 * @param {string} channel @param {string} lang @param {string} token @param {string} kind vtt, srt or json
 * @returns {Promise<string>} what to tell the reader
 */
export async function download(channel, lang, token, kind) {
  let response;
  try {
    response = await ask(channel, lang, token, kind);
  } catch {
    return "The server cannot be reached. Try again when the connection is back.";
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    const reason = typeof body.error === "string" ? body.error : `The server answered ${response.status}.`;
    return response.status === 404 ? "There is no transcript of this channel in this language yet." : reason;
  }
  const address = URL.createObjectURL(await response.blob());
  make("a", { href: address, download: `${channel}-${lang}.${kind}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  return `Saved ${channel}-${lang}.${kind}.`;
}

/** @param {string} channel @param {string} lang @param {string} token @param {string} kind */
function ask(channel, lang, token, kind) {
  const address = `/api/v1/live/${encodeURIComponent(channel)}/transcript.${kind}?lang=${encodeURIComponent(lang)}`;
  return fetch(address, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
}
