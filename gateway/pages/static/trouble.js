/** How a page that asks the server says in its title row and its notice how that goes. */

import { setState, show } from "./dom.js";
import { askToSignIn, identity } from "./identity.js";

/** @import {PollState} from "./poll.js" */
/** @import {Notice} from "./dom.js" */

/**
 * @typedef {object} Wording
 * @property {string} signIn why to sign in
 * @property {string} kept what stays on the page meanwhile
 * @property {string} live the word for "all is well"
 * @property {() => void} again
 */

/** @param {number} retryAt @returns {string} */
function countdown(retryAt) {
  const left = Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  return left ? `Next try in ${left} s.` : "Trying…";
}

/** Sign out first: the sign-in stands where the one who is signed in stood. */
function signInAgain() {
  identity.signOut();
  askToSignIn();
}

/** @param {PollState} state @param {Wording} words @returns {Notice | null} */
export function noticeOf(state, words) {
  const { phase, problem, retryAt } = state;
  const code = [problem?.code, problem?.status ? `status ${problem.status}` : ""].filter(Boolean).join(" · ");
  if (!problem) return null;
  if (phase === "away") {
    const text = `${problem.status ? `${problem.message} ` : ""}${words.kept} This page comes back by itself.`;
    const title = problem.status ? "The server cannot tell just now" : problem.message;
    return { kind: "retrying", title, text, countdown: countdown(retryAt), code, actions: [{ label: "Try now", act: words.again }] };
  }
  if (phase === "limited") {
    const text = `${words.kept} Several pages of yours may be open at once; this one asks again by itself.`;
    return { kind: "retrying", title: "Asked too often in the last minute", text, countdown: countdown(retryAt), code };
  }
  if (problem.code === "NO_TOKEN") {
    return { kind: "info", title: words.signIn, text: "It comes after the server knows who you are.", actions: [{ label: "Sign in", act: askToSignIn }] };
  }
  if (problem.kind === "token") {
    const text = `It has run out or was changed. ${words.kept} Sign in again to go on.`;
    return { kind: "refused", title: "Your sign-in is no longer valid", text, code, actions: [{ label: "Sign in again", act: signInAgain }] };
  }
  if (problem.kind === "forbidden") {
    return { kind: "refused", title: "This is not open to you", text: problem.message, code, actions: [{ label: "Sign in as someone else", act: signInAgain }], links: [{ label: "Your minutes", href: "/usage" }] };
  }
  return { kind: "refused", title: "The server did not answer this page", text: `${problem.message} Reload the page: it may be older than the server.`, code, actions: [{ label: "Try again", act: words.again }] };
}

/** @param {PollState} state @param {Wording} words */
export function drawState(state, words) {
  if (state.phase === "loading") setState("connecting", "Loading…");
  else if (state.phase === "live") setState("waiting", words.live);
  else if (state.phase === "away") setState("retrying", "Reconnecting…");
  else if (state.phase === "limited") setState("retrying", "Waiting…");
  else if (state.phase === "refused") {
    const first = state.problem?.code === "NO_TOKEN";
    setState(first ? "idle" : "refused", first ? "Not signed in" : "Stopped");
  }
}

/**
 * Shows each state of a poll, and counts down while it waits.
 * @param {HTMLElement} place
 * @param {Wording} words
 * @returns {(state: PollState) => void}
 */
export function teller(place, words) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;
  return (state) => {
    clearInterval(ticking);
    drawState(state, words);
    show(place, noticeOf(state, words));
    if (state.retryAt) ticking = setInterval(() => show(place, noticeOf(state, words)), 1000);
  };
}
