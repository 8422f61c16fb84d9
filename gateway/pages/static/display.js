/**
 * What people typed, made fit to be shown. What is stored and sent stays as it was typed; here go only the
 * characters with which a text can lie about its order, hide, or spill over its neighbours.
 */

import { make } from "./dom.js";

/**
 * Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9, 2.1 to 2.5): with them a text is read
 * in another order than it is written. The marks LRM, RLM and ALM stay: they are needed, and move nothing else.
 */
const OVERRIDES = /[\u202a-\u202e\u2066-\u2069]/gu;
/** Controls that no page draws; a tab and a newline are none of these. */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufeff\ufff9-\ufffb]/gu;
const NEWLINES = /\r\n?|[\u2028\u2029]/gu;
/** More marks on one letter than any script writes; they would climb over the lines above. */
const MARKS = /(\p{M}{6})\p{M}+/gu;
const BLANK_LINES = /\n(?:[^\S\n]*\n){2,}/gu;
const ADDRESS = /https?:\/\/[^\s<>"'`\u00a0]+/giu;
/** Punctuation that ends a sentence rather than an address. */
const AFTER = /[.,;:!?)\]}»”’…]+$/u;

/** @param {string} text @returns {string} several lines, for an element with `dir="auto"` */
export function readable(text) {
  return text.replace(NEWLINES, "\n").replace(OVERRIDES, "").replace(CONTROLS, "").replace(MARKS, "$1").replace(BLANK_LINES, "\n\n").trim();
}

/** @param {string} text @returns {string} one line: a name, a question, an option */
export function line(text) {
  return readable(text).replace(/\s+/gu, " ");
}

/** @param {string} user @returns {string} how somebody is called on the page */
export function called(user) {
  return line(user) || "(no name)";
}

/** A name in a sentence: whatever its direction, the sentence keeps its own. @param {string} user */
export function named(user) {
  return make("bdi", {}, called(user));
}

/**
 * @param {string} text
 * @returns {(Node | string)[]} the text with its web addresses as links; they open beside, and tell nobody where from
 */
export function linked(text) {
  const clean = readable(text);
  /** @type {(Node | string)[]} */
  const parts = [];
  let at = 0;
  for (const found of clean.matchAll(ADDRESS)) {
    const address = trimmed(found[0]);
    if (!URL.canParse(address)) continue;
    parts.push(clean.slice(at, found.index), make("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, address));
    at = found.index + address.length;
  }
  parts.push(clean.slice(at));
  return parts.filter((part) => part !== "");
}

/** @param {string} address as it was found @returns {string} without what belongs to the sentence around it */
function trimmed(address) {
  const short = address.replace(AFTER, "");
  // A bracket that was opened inside belongs to the address, as in those of Wikipedia.
  return address[short.length] === ")" && short.includes("(") && !short.includes(")") ? `${short})` : short;
}

/** @param {string} text @returns {number} characters as the server counts them: code points */
export function characters(text) {
  return [...text].length;
}
