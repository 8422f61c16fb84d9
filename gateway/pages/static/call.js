/**
 * What a call is to a page, and what of it can be said without asking the server. The one place that knows the
 * shapes of sessions/call_messages.py. Times are milliseconds since the epoch by the server's clock.
 *
 * @typedef {"RINGING" | "ACCEPTED" | "CONNECTED" | "ENDED" | "DECLINED" | "MISSED" | "CANCELLED" | "FAILED"} State
 * @typedef {"voice" | "video"} CallType
 * @typedef {"declined" | "expired" | "busy" | "cancelled" | "caller_lost" | "hung_up" | "connection_lost" | "balance_spent" |
 *   "media_failed" | "too_long" | "ended_by_admin"} Reason
 * @typedef {{id: string, state: State, version: number, creatorId: string, fanId: string, callType: CallType, createdAt: string,
 *   expiresAt: string, acceptedAt?: string | null, connectedAt?: string | null, endedAt?: string | null, endReason?: Reason | null,
 *   ratePerMinute: number, incrementSeconds: number, freeSeconds: number, billedSeconds?: number | null, amount: number,
 *   fundedUntil?: string | null, lastMinute?: boolean | null}} Call
 * @typedef {{urls: string[], username?: string | null, credential?: string | null}} IceServer
 * @typedef {{provider: "agora" | "peer", channel: string, uid: number, token?: string | null, appId?: string | null, expiresAt: string,
 *   iceServers?: IceServer[] | null, polite?: boolean | null}} Media
 * @typedef {{call: Call, media?: Media | null, remainingMs?: number | null}} CallView
 */

import { called } from "./display.js";
import { read } from "./times.js";

const OVER = new Set(["ENDED", "DECLINED", "MISSED", "CANCELLED", "FAILED"]);

/** @param {Call} call */
export function over(call) {
  return OVER.has(call.state);
}

/** @param {Call} call @param {string} me @returns {string} the user on the other side */
export function other(call, me) {
  return me === call.creatorId ? call.fanId : call.creatorId;
}

/** @param {Call} call @param {string} me whether it is this user who pays */
export function pays(call, me) {
  return me === call.fanId;
}

/** @param {Call} call @param {number} now @returns {number} seconds since both were in the media, or between then and the end */
export function lasted(call, now) {
  const from = read(call.connectedAt ?? undefined);
  if (from === null) return 0;
  return Math.max(0, ((read(call.endedAt ?? undefined) ?? now) - from) / 1000);
}

/** @param {Call} call @param {number} now @returns {number} credits, by the same rule as the server's, which has the last word */
export function amount(call, now) {
  if (over(call) || !call.connectedAt) return call.amount;
  const until = Math.min(now, read(call.fundedUntil ?? undefined) ?? Infinity);
  const seconds = lasted(call, until);
  if (seconds <= call.freeSeconds) return 0;
  const charged = Math.ceil(seconds / call.incrementSeconds) * call.incrementSeconds;
  return Math.max(call.amount, (charged / 60) * call.ratePerMinute);
}

/** @param {number} number of credits @returns {string} */
export function credits(number) {
  const text = number.toLocaleString([], { maximumFractionDigits: 4 });
  return `${text} ${number === 1 ? "credit" : "credits"}`;
}

/** @param {number} rate @returns {string} */
export function perMinute(rate) {
  return rate ? `${credits(rate)} a minute` : "free of charge";
}

/** @param {CallType} callType */
export function kind(callType) {
  return callType === "video" ? "Video call" : "Voice call";
}

/** @type {Record<Reason, [caller: string, called: string]>} */
const REASONS = {
  declined: ["did not want to speak just then", "You declined"],
  expired: ["did not answer", "You did not answer in time"],
  busy: ["was in another call", "You were in another call"],
  cancelled: ["You took it back", "took it back"],
  caller_lost: ["Your connection was lost while it rang", "lost the connection while it rang"],
  hung_up: ["It was hung up", "It was hung up"],
  connection_lost: ["The connection of one side was lost", "The connection of one side was lost"],
  balance_spent: ["The credits were used up", "Your credits were used up"],
  media_failed: ["The two devices did not find each other", "The two devices did not find each other"],
  too_long: ["It reached the longest time that a call may have", "It reached the longest time that a call may have"],
  ended_by_admin: ["An admin ended it", "An admin ended it"],
};

/** @param {Call} call @param {string} me @returns {string} why it is over, as a sentence without its full stop */
export function reason(call, me) {
  const own = call.endReason && REASONS[call.endReason][me === call.creatorId ? 0 : 1];
  if (!own) return "It is over";
  return /^[A-Z]/.test(own) ? own : `${called(other(call, me))} ${own}`;
}

/** @param {Call} call @param {string} me @returns {string} what came of it, in a few words, for the history */
export function outcome(call, me) {
  if (over(call) && call.endReason && call.endReason !== "hung_up") return reason(call, me);
  switch (call.state) {
    case "RINGING": return "ringing";
    case "ACCEPTED": return "connecting";
    case "CONNECTED": return "going on";
    case "ENDED": return call.connectedAt ? "spoken" : "hung up before it connected";
    default: return "over";
  }
}
