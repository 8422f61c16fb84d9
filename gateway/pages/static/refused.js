/** What stands between somebody and a room, in words: what happened, what it means for them, what to do next. */

import { askToSignIn, identity } from "./identity.js";

/** @import {Notice} from "./dom.js" */
/** @import {Problem} from "./api.js" */
/** @import {Closure} from "./snapshot.js" */
/** @import {RoomState} from "./connection.js" */

const ROOMS = { label: "Your rooms", href: "/rooms" };

/** Sign out first: the sign-in stands where the one who is signed in stood. */
export function signInAgain() {
  identity.signOut();
  askToSignIn();
}

/** @param {Problem} problem @returns {string} in small print, for whoever helps */
function smallPrint({ code, status }) {
  return [code, status ? `status ${status}` : ""].filter(Boolean).join(" · ");
}

/** @type {Record<string, {title: string, text: string, again?: boolean}>} */
const WORDS = {
  ROOM_FULL: { title: "This room is full", text: "Everybody who may be in is in. Try again when somebody has left, or ask the host for a larger room.", again: true },
  KICKED_OUT: { title: "The host has removed you from this room", text: "It stays closed to you, and what you wrote stays there. If that was a mistake, ask the host for another room." },
  ROOM_CLOSED: { title: "This room is closed", text: "Nobody can come in any more. Create another one, or ask whoever sent you here for the code of theirs." },
  INVALID: { title: "The server does not take this code", text: "Look at it again with whoever gave it to you." },
  NOT_FOUND: { title: "There is no such room", text: "Look at the code again with whoever gave it to you: it has six letters and digits, and never 0, O, 1, I or L." },
};

/** @param {Problem} problem @param {() => void} again @returns {Notice} */
export function refusalNotice(problem, again) {
  const code = smallPrint(problem);
  if (problem.code === "NO_TOKEN") {
    return { kind: "info", title: "Sign in to come into this room", text: "The others see the name you sign in with.", actions: [{ label: "Sign in", act: askToSignIn }] };
  }
  if (problem.code === "NO_MODULE") {
    return { kind: "refused", title: "This server cannot show rooms", text: problem.message, code, links: [ROOMS] };
  }
  if (problem.kind === "token") {
    return { kind: "refused", title: "Your sign-in is no longer valid", text: "It has run out or was changed. Sign in again: the room goes on where you were.", code, actions: [{ label: "Sign in again", act: signInAgain }] };
  }
  const words = WORDS[problem.code];
  const actions = !words || words.again ? [{ label: "Try again", act: again }] : [];
  if (words) return { kind: "refused", title: words.title, text: words.text, code, actions, links: [ROOMS] };
  return { kind: "refused", title: "The server did not let you in", text: problem.message, code, actions, links: [ROOMS] };
}

/** @param {RoomState} state a retrying one @param {boolean} been whether this page was in already @param {() => void} now @returns {Notice} */
export function retryNotice({ problem, retryAt = 0 }, been, now) {
  const left = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  const kept = been ? "What you have read stays, what you write is kept and sent afterwards, and what is missed meanwhile is added." : "This page tries again by itself.";
  return {
    kind: "retrying", title: why(problem ?? null), text: kept, countdown: left ? `Next try in ${left} s.` : "Trying…",
    code: problem ? smallPrint(problem) : "", actions: [{ label: "Try now", act: now }],
  };
}

/** @param {Problem | null} problem @returns {string} */
function why(problem) {
  if (problem?.code === "RATE_LIMITED" || problem?.code === "TOO_MANY_CONNECTIONS") return "Too many tries in the last minute";
  if (problem?.code) return "The server cannot do that just now";
  return navigator.onLine ? "The connection was lost" : "This device is offline";
}

/** @param {Closure | ""} reason @param {boolean} mine @returns {Notice} */
export function closedNotice(reason, mine) {
  /** @type {Record<Closure | "", string>} */
  const title = { host: mine ? "You have closed this room" : "The host has closed this room", admin: "An admin has closed this room", idle: "This room was closed because nothing happened in it for long", "": "This room is closed" };
  return { kind: "info", title: title[reason], text: "What was written and the results of its polls stay here until you leave this page.", links: [ROOMS] };
}

/** @param {() => void} again @returns {Notice} */
export function leftNotice(again) {
  return { kind: "info", title: "You have left this room", text: "Your place is free for somebody else.", actions: [{ label: "Come back in", act: again }], links: [ROOMS] };
}
