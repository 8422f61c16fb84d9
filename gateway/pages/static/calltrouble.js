/** What stands between somebody and a call, in words: what happened, what it means for them, what to do next. */

import { pays } from "./call.js";

/** @import {Problem} from "./api.js" */
/** @import {Call} from "./call.js" */
/** @import {Notice} from "./dom.js" */

/** @type {Record<string, [title: string, text: string]>} */
const WORDS = {
  FEATURE_DISABLED: ["Calls are turned off on this server", "Nobody can be called until whoever runs it turns them on (FEATURE_CALLS)."],
  NOT_ALLOWED: ["This fan cannot be called by you", "Who may call is each fan’s own choice, and it can change. Nothing rang, and they were not told."],
  USER_BUSY: ["In another call", "Try again later."],
  COOLDOWN: ["You have called this fan only just now", "A fan is rung at most once in a while."],
  RATE_LIMITED: ["You have tried too often in the last minute", "Every try counts."],
  INSUFFICIENT_BALANCE: ["The fan’s credits do not pay for a minute", "Nothing rang. You may lower your rate, or try again another time."],
  ALREADY_ANSWERED: ["Answered on another of your devices", "The call goes on there."],
  INVITATION_EXPIRED: ["It had stopped ringing", "The call stands among your calls as missed."],
  CALL_OVER: ["The call is already over", "It was ended a moment before."],
  NOT_FOUND: ["There is no such call any more", "Reload the page to see how things stand."],
};

/** @param {Problem} problem @param {Call | null} call @param {string} me @returns {Notice} */
export function callTrouble(problem, call, me) {
  const code = [problem.code, problem.status ? `status ${problem.status}` : ""].filter(Boolean).join(" · ");
  const answering = call !== null && pays(call, me);
  if (problem.code === "INSUFFICIENT_BALANCE" && answering) {
    return { kind: "refused", title: "Your credits do not pay for a minute of this call", text: "It goes on ringing: ask whoever runs this server for credits, and accept then. You were charged nothing.", code };
  }
  if (problem.code === "NOT_ALLOWED" && answering) {
    return { kind: "refused", title: "Your privacy keeps this creator out", text: "It was changed while it rang. Let them call below, and accept again; or decline.", code };
  }
  if (problem.code === "USER_BUSY") {
    return { kind: "refused", title: problem.message.split(":")[0] ?? problem.message, text: "Nothing rang just now. Try again when that call is over.", code };
  }
  if (problem.kind === "away") {
    return { kind: "retrying", title: problem.status ? "The server cannot do it just now" : "The server did not answer", text: "It may have been done or not: this page shows how the call stands as soon as it is back. Then try again.", code };
  }
  if (problem.kind === "token") {
    return { kind: "refused", title: "Your sign-in is no longer valid", text: "Sign in again above; a call that goes on is not ended by it.", code };
  }
  const [title, text] = WORDS[problem.code] ?? ["That did not work", problem.message];
  const wait = problem.retryAfterSeconds ? ` Try again in ${Math.ceil(problem.retryAfterSeconds)} s.` : "";
  return { kind: "refused", title, text: text + wait, code };
}
