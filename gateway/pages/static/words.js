/** What refusals and warnings mean, in words: what happened, what it means, what to do next. */

import { languageName } from "./dom.js";
import { spentWords } from "./minutes.js";

/** @import {Warning} from "./messages.js" */
/** @import {LiveState} from "./live.js" */

/** @typedef {{title: string, text: string, signIn: boolean, again: boolean}} Words */

/** @type {Record<number, [title: string, text: string, signIn: boolean, again: boolean]>} */
const CLOSED = {
  1008: ["The server did not understand this page", "Reload the page: it may be older than the server.", false, false],
  1009: ["Something sent was too big", "Reload the page and try again.", false, true],
  1011: ["The server failed several times", "This is a fault on its side. Try again in a minute, or tell whoever runs it.", false, true],
  4001: ["Your sign-in is no longer valid", "It has run out or was changed. Sign in again; nothing you have read is lost.", true, false],
  4003: ["This is not open to you", "Your account may not do this here.", true, false],
  4402: ["Your minutes are used up", "", false, true],
  4404: ["No such channel", "Check the name in the address with whoever sent you the link.", false, false],
  4408: ["This session has reached its longest time", "Start a new one to go on.", false, true],
  4409: ["Opened somewhere else", "The same session was taken up by another tab or device; this one has stopped.", false, true],
};

/**
 * @param {LiveState} state a refused one
 * @param {"studio" | "watch"} page
 * @returns {Words}
 */
export function refusal(state, page) {
  const { code = 0, error } = state;
  const [title, text, signIn, again] = CLOSED[code] ?? ["The server ended the connection", "Try again; if it stays, tell whoever runs it.", false, true];
  const said = error?.message ?? "";
  if (error?.code === "NO_TOKEN") {
    const sense = page === "studio" ? "Sign in as a creator to publish" : "Sign in to watch";
    return { title: sense, text: "The captions come after the server knows who you are.", signIn: true, again: false };
  }
  if (error?.code === "ENDED_BY_ADMIN") {
    return { title: "An admin ended this session", text: "What was used until then is counted. Ask whoever runs this server why; you may start again.", signIn: false, again: true };
  }
  if (error?.served?.length) return { title: "This language is not served here", text: served(error.served), signIn: false, again: true };
  if (code === 4402) return { ...spentWords(error), signIn, again };
  if (code === 4003 && page === "studio") {
    return { title, text: `${said || "Publishing needs the role creator or admin."} Sign in as someone who may, or ask for the role.`, signIn, again };
  }
  if (code === 4001) return { title, text, signIn, again };
  return { title, text: said ? `${said} ${text}`.trim() : text, signIn, again };
}

/** @param {{source_lang: string, target_lang: string}[]} pairs */
function served(pairs) {
  const list = pairs.map(({ source_lang: from, target_lang: to }) =>
    from === to ? languageName(from) : `${languageName(from)} to ${languageName(to)}`,
  );
  return `Served here: ${list.join(", ")}. Choose one of these.`;
}

/** @param {LiveState} state @returns {string} the code in small print */
export function smallPrint(state) {
  return [state.error?.code, state.code ? `close code ${state.code}` : ""].filter(Boolean).join(" · ");
}

/** @param {LiveState} state a retrying one @returns {string} why */
export function interruption(state) {
  switch (state.code) {
    case 1012: return "The server is restarting";
    case 1013: return "The server is too busy just now";
    case 4008: return "This connection was too slow for the captions";
    case 4029: return "Too many connections in the last minute";
    case 1011: return "The server had a fault";
    default: return navigator.onLine ? "The connection was lost" : "This device is offline";
  }
}

/** @type {Record<string, string>} */
const WARNINGS = {
  translation_failed: "A sentence could not be translated and is missing in this language.",
  voice_failed: "A sentence could not be spoken; its captions are there.",
  session_ending: "This session is near its longest time.",
  audio_too_fast: "Sound arrives faster than it plays; the server slows it down.",
  audio_stalled: "No sound is arriving at the server.",
  engine_switched: "Recognition went over to another engine; nothing was lost.",
};

/** @param {Warning} warning @returns {string} */
export function warningWords(warning) {
  return WARNINGS[warning.code] ?? warning.message ?? warning.code;
}
