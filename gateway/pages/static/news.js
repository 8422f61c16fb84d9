/** What of a room's events is said to those who listen rather than look; how a poll stands is read when one likes. */

import { outcome } from "./ballot.js";
import { called, line, readable } from "./display.js";

/** @import {Said} from "./announcer.js" */
/** @import {PollEvent, RoomEvent} from "./snapshot.js" */

/** @param {RoomEvent | PollEvent} event @param {string} me @returns {Said | null} */
export function news({ name, payload }, me) {
  switch (name) {
    case "room:message": {
      const text = `${called(payload.userId)}: ${readable(payload.text)}`;
      return payload.userId === me ? null : { kind: "message", text, several: (count) => `${count} new messages. The last: ${text}` };
    }
    case "room:participant_joined":
      return payload.userId === me ? null : { kind: "came", text: `${called(payload.userId)} came in.`, several: (count) => `${count} people came in.` };
    case "room:participant_left":
      return payload.userId === me ? null : { kind: "went", text: `${called(payload.userId)} left.`, several: (count) => `${count} people left.` };
    case "room:host_changed":
      return { kind: "host", text: payload.userId === me ? "You are the host now." : `${called(payload.userId)} is the host now.` };
    case "poll:created":
      return payload.poll.state === "open" ? { kind: payload.poll.id, text: `A new poll: ${line(payload.poll.question)}` } : null;
    case "poll:closed":
      return { kind: payload.poll.id, text: `The poll “${line(payload.poll.question)}” is closed. ${outcome(payload.poll)}`.trim() };
    default:
      return null;
  }
}
