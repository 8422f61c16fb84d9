/**
 * What a page knows of a room: a snapshot, and how each event makes the next one of it. The one place that knows
 * the shapes of a room's messages. It does what the server's rules do (sessions/room_snapshots.py and
 * sessions/poll_snapshots.py), so that a page which heard every event shows what a page shows that has just come.
 *
 * @typedef {{id: string, room_code: string, name: string, host_user_id: string, max_participants: number, is_private: boolean, is_active: boolean}} Room
 * @typedef {{userId: string, joinedAt: string}} Present
 * @typedef {{id: string, offset: number, userId: string, text: string, at: string}} Message
 * @typedef {"left" | "kicked" | "lost"} Departure
 * @typedef {"host" | "admin" | "idle"} Closure
 * @typedef {{id: string, text: string, votes?: number, percent?: number}} Option the counts are missing where they are not to be seen
 * @typedef {"draft" | "open" | "closed" | "archived"} PollState
 * @typedef {"public" | "hidden" | "anonymous"} Visibility
 * @typedef {"always" | "after_vote" | "after_close" | "host"} Results
 * @typedef {{id: string, state: PollState, version: number, question: string, options: Option[], voters: number, my_vote?: string[],
 *   my_seq?: number, winners?: string[], multiple: boolean, allow_change: boolean, visibility: Visibility, results: Results,
 *   closes_at?: string}} Poll
 * @typedef {{room: Room, participants: Present[], messages: Message[], polls: Poll[], epoch: string, offset: number}} Snapshot
 * @typedef {{resumed: true, roomId: string, missed: Missed[], polls: Poll[], epoch: string, offset: number}} Resumed
 *
 * @typedef {{name: "room:participant_joined", payload: Present & {offset: number}}} ParticipantJoined
 * @typedef {{name: "room:participant_left", payload: {offset: number, userId: string, reason: Departure}}} ParticipantLeft
 * @typedef {{name: "room:host_changed", payload: {offset: number, userId: string}}} HostChanged
 * @typedef {{name: "room:message", payload: Message}} RoomMessage
 * @typedef {{name: "room:closed", payload: {offset: number, reason: Closure}}} RoomClosed
 * @typedef {ParticipantJoined | ParticipantLeft | HostChanged | RoomMessage | RoomClosed} RoomEvent
 * @typedef {{name: "poll:created" | "poll:updated" | "poll:closed", payload: {poll: Poll}}} PollEvent
 * @typedef {{event: RoomEvent["name"], data: RoomEvent["payload"]}} Missed
 */

export const MESSAGES_SHOWN_MAX = 50;

export const ROOM_EVENTS = /** @type {const} */ (["room:participant_joined", "room:participant_left", "room:host_changed", "room:message", "room:closed"]);
export const POLL_EVENTS = /** @type {const} */ (["poll:created", "poll:updated", "poll:closed"]);

/** An event is not the next one: what was between was missed, and has to be asked for. */
export class OffsetGap extends Error {
  /** @param {number} expected @param {number} offset */
  constructor(expected, offset) {
    super(`Expected the event at offset ${expected}, got ${offset}`);
    this.expected = expected;
    this.offset = offset;
  }
}

/**
 * @param {Snapshot} seen
 * @param {RoomEvent} event
 * @returns {Snapshot} the snapshot that follows; `seen` itself if the event was seen already. Throws OffsetGap.
 */
export function after(seen, { name, payload }) {
  if (payload.offset <= seen.offset) return seen;
  if (payload.offset !== seen.offset + 1) throw new OffsetGap(seen.offset + 1, payload.offset);
  const next = { ...seen, offset: payload.offset };
  switch (name) {
    case "room:participant_joined":
      return { ...next, participants: [...seen.participants, { userId: payload.userId, joinedAt: payload.joinedAt }] };
    case "room:participant_left":
      return { ...next, participants: seen.participants.filter(({ userId }) => userId !== payload.userId) };
    case "room:host_changed":
      return { ...next, room: { ...seen.room, host_user_id: payload.userId } };
    case "room:message":
      return { ...next, messages: [...seen.messages, payload].slice(-MESSAGES_SHOWN_MAX) };
    case "room:closed":
      return { ...next, room: { ...seen.room, is_active: false }, participants: [] };
  }
}

/** @param {Poll} poll @returns {boolean} whether its result is final */
export function over(poll) {
  return poll.state === "closed" || poll.state === "archived";
}

/** @param {Poll} poll @returns {boolean} whether it is no longer known who voted how, not even to the voter */
export function nobodyCanTell(poll) {
  return poll.visibility === "anonymous" && over(poll);
}

/** @param {Poll | undefined} seen @param {Poll} told @returns {Poll} what a viewer sees who saw `seen` and is told this */
export function pollAfter(seen, told) {
  if (seen === undefined) return told;
  if (told.version < seen.version) return seen;
  if (told.my_vote !== undefined || nobodyCanTell(told)) return told;
  const { my_vote: vote, my_seq: seq } = seen;
  return { ...told, ...(vote !== undefined && { my_vote: vote }), ...(seq !== undefined && { my_seq: seq }) };
}

/** @param {Snapshot} seen @param {Poll} told @returns {Snapshot} */
export function withPoll(seen, told) {
  const known = seen.polls.find(({ id }) => id === told.id);
  const poll = pollAfter(known, told);
  return { ...seen, polls: known ? seen.polls.map((other) => (other === known ? poll : other)) : [...seen.polls, poll] };
}

/** @param {readonly Poll[]} seen @param {readonly Poll[]} told all there are @returns {Poll[]} with what is known of one's own votes, where nothing is told of them */
export function withPolls(seen, told) {
  return told.map((poll) => pollAfter(seen.find(({ id }) => id === poll.id), poll));
}
