/** Minutes on the live pages: what is left, the warning before they end, and what to do when they have ended. */

import { byId } from "./dom.js";
import { read, span, untilAndWhen, windowName } from "./times.js";

/** @import {Notice} from "./dom.js" */
/** @import {Message, Quota, Refusal} from "./messages.js" */

const ABOUT_MINUTES = new Set(["quota_80", "dubbing_spent"]);
const TOGETHER_MS = 2_000;

/** What is live goes on, so the page of one's minutes opens beside it. */
export const USAGE = { label: "See your minutes", href: "/usage", beside: true };

/** @param {{kind?: string | undefined}} said @returns {string} */
function what({ kind }) {
  return kind === "dubbing" ? "voice" : kind === "subtitles" ? "captions" : "";
}

/** @param {string | null | undefined} resetsAt @returns {string} in 23 min (15:00), or nothing */
function back(resetsAt) {
  const at = read(resetsAt ?? undefined);
  return at === null ? "" : untilAndWhen(at, Date.now());
}

/** @param {Refusal | null | undefined} error @returns {{title: string, text: string}} */
export function spentWords(error) {
  const when = back(error?.resets_at);
  if (error?.held) {
    return { title: "The rest of your minutes is in use", text: "Other sessions of yours hold it. Close one of them, or try again in a minute." };
  }
  const window = error?.window ? ` ${windowName(error.window)}` : "";
  const comes = when ? ` They come back ${when}; try again then.` : "";
  return {
    title: "Your minutes are used up",
    text: `What your plan holds${window} is spent.${comes} For more before that, ask whoever runs this server for extra minutes. A larger plan holds more.`,
  };
}

/** @param {{resets_at?: string | null | undefined} | null} quota @returns {string} */
export function voiceSpent(quota) {
  const when = back(quota?.resets_at);
  return `Captions go on without it.${when ? ` The voice may be asked for again ${when}.` : ""}`;
}

/** Puts a warning about minutes together with the `quota` that comes with it, before or after. */
export class Warned {
  constructor() {
    /** @type {Omit<Quota, "type"> | null} */
    this.quota = null;
    /** @type {{code: string, at: number} | null} */
    this.warning = null;
  }

  /** @param {Message} message @returns {Notice | null} what to show now; null for any other message */
  take(message) {
    const now = performance.now();
    if (message.type === "connected") this.quota = message.quota ?? null;
    else if (message.type === "quota") this.quota = message;
    else if (message.type === "warning" && ABOUT_MINUTES.has(message.code)) this.warning = { code: message.code, at: now };
    if ((message.type !== "quota" && message.type !== "warning") || this.warning?.at === undefined) return null;
    return now - this.warning.at < TOGETHER_MS && (message.type === "quota" || message.code === this.warning.code) ? this.#notice(this.warning.code) : null;
  }

  /** @param {string} code @returns {Notice} */
  #notice(code) {
    const { quota } = this;
    if (code === "dubbing_spent") {
      return { kind: "warning", title: "Your minutes of voice are used up", code, links: [USAGE], text: voiceSpent(quota) };
    }
    const of = quota && what(quota) ? ` of ${what(quota)}` : "";
    const window = quota?.window ? ` for ${windowName(quota.window)}` : "";
    const rest = quota?.remaining_seconds !== undefined && quota.remaining_seconds >= 0 ? `${span(quota.remaining_seconds)} are left. ` : "";
    const when = back(quota?.resets_at);
    const text = `${rest}It all goes on until they are used up${when ? `; they come back ${when}` : ""}.`;
    return { kind: "warning", title: `Four fifths of your minutes${of}${window} are used`, code, links: [USAGE], text };
  }
}

/** Keeps the line that says what is left. */
export class Left {
  constructor() {
    this.place = byId("minutes", HTMLElement);
  }

  /** @param {Message} message */
  take(message) {
    if (message.type === "quota") this.#draw(message);
    else if (message.type === "connected" && message.quota) this.#draw(message.quota);
  }

  /** @param {Omit<Quota, "type">} quota */
  #draw(quota) {
    const { used_seconds: used, limit_seconds: limit, remaining_seconds: told } = quota;
    const rest = told ?? (limit !== undefined && limit >= 0 && used !== undefined ? limit - used : -1);
    const window = quota.window ? ` ${windowName(quota.window)}` : "";
    const when = back(quota.resets_at);
    const text = rest < 0 ? "" : `${span(rest)} of ${what(quota) || "minutes"} left${window}${when ? `, more ${when}` : ""}.`;
    const place = this.place.querySelector("span");
    if (place && place.textContent !== text) place.textContent = text;
    this.place.hidden = text === "";
  }
}
