/** Minutes as bars: each window of each kind with what is used, what is left and when it comes back. */

import { make } from "./dom.js";
import { WINDOWS, moment, read, span, untilAndWhen, windowName } from "./times.js";

/** @import {Window} from "./times.js" */

/** @typedef {{used_seconds: number, limit_seconds: number, remaining_seconds: number, resets_at: string}} Figure -1 is no limit */
/** @typedef {Record<Window, Figure>} Figures */
/** @typedef {{plan: string, subtitles: Figures, dubbing: Figures, cost?: Record<Window, number>}} Usage */
/** @typedef {"subtitles" | "dubbing"} MediaKind */

/** @type {Record<MediaKind, string>} */
export const KINDS = { subtitles: "Subtitles", dubbing: "Dubbing" };
const KIND_NAMES = /** @type {MediaKind[]} */ (Object.keys(KINDS));
const WINDOW_NAMES = /** @type {Window[]} */ (Object.keys(WINDOWS));

/** @param {Figure} figure @param {number} warningPercent @returns {"open" | "none" | "spent" | "warn" | "ok"} */
export function level(figure, warningPercent) {
  if (figure.limit_seconds < 0) return "open";
  if (figure.limit_seconds === 0) return "none";
  if (figure.remaining_seconds <= 0) return "spent";
  return figure.used_seconds >= (figure.limit_seconds * warningPercent) / 100 ? "warn" : "ok";
}

/** @param {Figures} figures @returns {Window | null} the window that ends first; null without any limit */
export function tightest(figures) {
  const limited = WINDOW_NAMES.filter((name) => figures[name].limit_seconds >= 0);
  return limited.reduce(
    (best, name) => (best === null || figures[name].remaining_seconds < figures[best].remaining_seconds ? name : best),
    /** @type {Window | null} */ (null),
  );
}

/**
 * @param {Figures} figures
 * @returns {{window: Window, at: number | null} | null} which window is spent, and when all of them have come back
 */
export function spent(figures) {
  const over = WINDOW_NAMES.filter((name) => level(figures[name], 101) === "spent");
  const last = over.at(-1); // the longest one comes back last
  return last ? { window: last, at: read(figures[last].resets_at) } : null;
}

/** @param {Usage} usage @returns {boolean} */
export function untouched(usage) {
  return KIND_NAMES.every((kind) => WINDOW_NAMES.every((name) => usage[kind][name].used_seconds === 0));
}

class Row {
  /** @param {string} kind @param {Window} window @param {number} warningPercent */
  constructor(kind, window, warningPercent) {
    this.warningPercent = warningPercent;
    this.used = make("span", { class: "window-used" });
    this.fill = make("div", { class: "gauge-fill" });
    const mark = make("div", { class: "gauge-mark" });
    mark.style.insetInlineStart = `${warningPercent}%`;
    this.gauge = make("div", { class: "gauge", role: "meter", "aria-label": `${kind}, ${WINDOWS[window].toLowerCase()}`, "aria-valuemin": "0" }, this.fill, mark);
    this.left = make("span");
    this.tag = make("span", { class: "tag" });
    this.reset = make("time");
    this.foot = make("p", { class: "window-foot" }, make("span", {}, this.left, " ", this.tag), make("span", {}, "Resets ", this.reset));
    this.element = make("div", { class: "window" }, make("div", { class: "window-head" }, make("h3", {}, WINDOWS[window]), this.used), this.gauge, this.foot);
  }

  /** @param {Figure} figure @param {number} now */
  show(figure, now) {
    const { used_seconds: used, limit_seconds: limit, remaining_seconds: rest } = figure;
    const state = level(figure, this.warningPercent);
    const share = limit > 0 ? Math.min(100, (used / limit) * 100) : 0;
    this.element.dataset.level = state;
    this.gauge.hidden = state === "open" || state === "none";
    this.fill.style.width = `${share.toFixed(2)}%`;
    const words = limit > 0 ? `${span(used)} of ${span(limit)}` : `${span(used)} used`;
    this.gauge.setAttribute("aria-valuemax", String(Math.max(limit, 1)));
    this.gauge.setAttribute("aria-valuenow", String(Math.min(used, Math.max(limit, 1))));
    this.gauge.setAttribute("aria-valuetext", `${words} used`);
    set(this.used, words);
    set(this.left, { open: "No limit", none: "Not in this plan", spent: "Nothing left", warn: `${span(rest)} left`, ok: `${span(rest)} left` }[state]);
    this.tag.hidden = state !== "warn" && state !== "spent";
    set(this.tag, state === "spent" ? "Used up" : `${Math.floor(share)} % used`);
    const at = read(figure.resets_at);
    if (at === null) return;
    this.reset.dateTime = figure.resets_at;
    this.reset.title = new Date(at).toLocaleString([], { dateStyle: "full", timeStyle: "short" });
    set(this.reset, untilAndWhen(at, now));
  }
}

/** @param {HTMLElement} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class Meters {
  /**
   * @param {HTMLElement} place
   * @param {number} warningPercent
   */
  constructor(place, warningPercent) {
    this.place = place;
    this.warningPercent = warningPercent;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Map<MediaKind, HTMLElement>} */
    this.headlines = new Map();
  }

  /** @param {Usage} usage @param {number} now ms since the epoch, by the server's clock */
  show(usage, now) {
    if (this.rows.size === 0) this.#build();
    for (const kind of KIND_NAMES) {
      for (const name of WINDOW_NAMES) this.rows.get(`${kind} ${name}`)?.show(usage[kind][name], now);
      const headline = this.headlines.get(kind);
      if (headline) set(headline, sum(usage[kind], now));
    }
  }

  clear() {
    this.place.replaceChildren();
    this.rows.clear();
    this.headlines.clear();
  }

  #build() {
    for (const kind of KIND_NAMES) {
      const headline = make("p", { class: "left" });
      const card = make("section", { class: "card meters", "aria-label": KINDS[kind] }, make("h2", {}, KINDS[kind]), headline);
      for (const name of WINDOW_NAMES) {
        const row = new Row(KINDS[kind], name, this.warningPercent);
        this.rows.set(`${kind} ${name}`, row);
        card.append(row.element);
      }
      this.headlines.set(kind, headline);
      this.place.append(card);
    }
  }
}

/** @param {Figures} figures @param {number} now @returns {string} the one line that answers "may I go on?" */
function sum(figures, now) {
  const name = tightest(figures);
  if (name === null) return "No limit";
  const over = spent(figures);
  if (over) return `Used up${over.at === null ? "" : ` until ${moment(over.at, now)}`}`;
  const figure = figures[name];
  return figure.limit_seconds === 0 ? "Not in this plan" : `${span(figure.remaining_seconds)} left ${windowName(name)}`;
}
