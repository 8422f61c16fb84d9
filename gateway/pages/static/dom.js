/** The few things every page does with the document; nothing here knows about captions or sockets. */

/** @typedef {{page: string, channel: string, room: string, lang: string, development: boolean, source: string, pairs: [string, string][], voices: string[],
 *   warning: number, plot?: {script: string, style: string} | null, socketio?: string | null, plans?: Record<string, {name: string, rooms: boolean}>,
 *   calls?: {enabled: boolean, privacy: boolean, profiles: boolean, provider: "peer" | "agora", heartbeat_seconds: number, lost_seconds: number}}} Facts */

/** @returns {Facts} what the server wrote into the page */
export function facts() {
  return JSON.parse(document.body.dataset.facts ?? "{}");
}

/**
 * The element with this id.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} #${id}`);
  return found;
}

/**
 * A new element; content is always set as text, never as HTML.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} content
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ps", "ur", "yi"]);

/** @param {string} code @returns {"rtl" | "ltr"} */
export function direction(code) {
  return RIGHT_TO_LEFT.has(code.split("-")[0]?.toLowerCase() ?? "") ? "rtl" : "ltr";
}

/** @param {string} code @returns {string} the language's name in English, or its code */
export function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // not a language tag that this browser can parse
  }
}

/** @param {number} seconds @returns {string} 1:05 or 1:02:05 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** @param {number} seconds @returns {string} */
export function spell(seconds) {
  return seconds < 60 ? `${seconds.toFixed(seconds < 10 ? 1 : 0)} s` : clock(seconds);
}

/**
 * @typedef {object} Notice
 * @property {"info" | "warning" | "retrying" | "refused"} kind
 * @property {string} title
 * @property {string} [text]
 * @property {string} [countdown] changes often, and is not read out
 * @property {string} [code] in small print, for whoever helps
 * @property {{label: string, act: () => void}[]} [actions]
 * @property {{label: string, href: string, beside?: boolean}[]} [links] `beside` opens another tab: what is live here goes on
 */

/**
 * Shows one notice in `place`, or none. The same notice twice is left alone, so that a screen reader
 * is not made to say it again.
 * @param {HTMLElement} place
 * @param {Notice | null} notice
 */
export function show(place, notice) {
  const key = notice ? [notice.kind, notice.title, notice.text, notice.code].join("|") : "";
  if (place.dataset.key === key) {
    const countdown = place.querySelector(".countdown");
    if (countdown) countdown.textContent = notice?.countdown ?? "";
    return;
  }
  place.dataset.key = key;
  place.replaceChildren();
  if (!notice) return;
  const box = make("div", { class: "notice", "data-kind": notice.kind }, make("b", {}, notice.title));
  if (notice.kind === "refused") box.setAttribute("role", "alert");
  if (notice.text) {
    const countdown = make("span", { class: "countdown", "aria-hidden": "true" }, notice.countdown ?? "");
    box.append(make("p", {}, notice.text, " ", countdown));
  }
  const ways = [...(notice.actions ?? []).map(button), ...(notice.links ?? []).map(link)];
  if (ways.length) box.append(make("div", { class: "row" }, ...ways));
  if (notice.code) box.append(make("small", {}, notice.code));
  place.append(box);
}

/** @param {{label: string, act: () => void}} action */
function button({ label, act }) {
  const made = make("button", { type: "button" }, label);
  made.addEventListener("click", act);
  return made;
}

/** @param {{label: string, href: string, beside?: boolean}} way */
function link({ label, href, beside }) {
  return make("a", { class: "button", href, ...(beside ? { target: "_blank", rel: "noopener" } : {}) }, beside ? `${label} (new tab)` : label);
}

/**
 * Sets the state in the page's title row: a word and a dot.
 * @param {string} phase idle, connecting, waiting, live, retrying, refused or ended
 * @param {string} text
 */
export function setState(phase, text) {
  const state = byId("state", HTMLElement);
  state.dataset.phase = phase;
  const label = state.querySelector(".state-text");
  if (label && label.textContent !== text) label.textContent = text;
}

/** With the next frame; a hidden page gets none, and must not pile up work for when it is shown again. @param {() => void} draw */
export function soon(draw) {
  if (document.hidden) setTimeout(draw, 50);
  else requestAnimationFrame(draw);
}

/** Buttons with `data-close` close the dialog that they are in. */
export function wireDialogs() {
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog")?.close());
  }
}
