/** The polls of a room: those that are open first. A vote is kept until the server has answered it, and counts once. */

import { Problem, ask } from "./api.js";
import { BallotCard } from "./ballot.js";
import { confirmed } from "./confirm.js";
import { csv, save } from "./csv.js";
import { line } from "./display.js";
import { make } from "./dom.js";
import { over } from "./snapshot.js";

/** @import {Connection} from "./connection.js" */
/** @import {Poll, Snapshot} from "./snapshot.js" */

/** @typedef {{optionIds: string[], seq: number, waits: boolean}} Cast a vote on its way; `waits` for the connection */

const TICK_MS = 1_000;
const SHOWN_MAX = 30;

/** @param {Poll} poll @param {number} now @returns {number} higher than that of the vote that counts, also from another device */
export function nextSeq(poll, now) {
  return Math.max(now, (poll.my_seq ?? 0) + 1);
}

/** @param {Poll} one @param {Poll} other @returns {number} open before drafts before what is over */
function order(one, other) {
  const rank = (/** @type {Poll} */ poll) => (poll.state === "open" ? 0 : over(poll) ? 2 : 1);
  return rank(one) - rank(other);
}

export class Polls {
  /** @param {HTMLElement} place @param {{connection: Connection, me: () => string, now: () => number}} options */
  constructor(place, { connection, me, now }) {
    this.connection = connection;
    this.me = me;
    this.now = now;
    this.list = make("div", { class: "poll-list" });
    this.nothing = make("p", { class: "empty" });
    this.rest = make("p", { class: "hint" });
    place.replaceChildren(this.nothing, this.list, this.rest);
    /** @type {Map<string, BallotCard>} */
    this.cards = new Map();
    /** @type {Map<string, Cast>} */
    this.casts = new Map();
    /** @type {Map<string, string>} */
    this.problems = new Map();
    /** @type {Map<string, Map<string, string[]> | string>} */
    this.results = new Map();
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** Begins anew, as somebody else perhaps. */
  clear() {
    for (const known of [this.cards, this.casts, this.problems, this.results]) known.clear();
    this.list.replaceChildren();
    this.nothing.hidden = true;
    this.rest.textContent = "";
  }

  /** The connection is there (again): what was kept is sent. */
  begin() {
    for (const [id, cast] of this.casts) if (cast.waits) void this.#send(id, cast);
  }

  /** Nobody can vote here any more: what was kept will not count. */
  fail() {
    for (const id of this.casts.keys()) this.problems.set(id, "Your vote had not arrived: it is not counted.");
    this.casts.clear();
  }

  draw() {
    const { snapshot } = this.connection;
    if (!snapshot) return;
    const newest = [...snapshot.polls].reverse().sort(order);
    const shown = newest.slice(0, SHOWN_MAX);
    const elements = shown.map((poll) => this.#card(poll, snapshot).element);
    const known = new Set(shown.map(({ id }) => id));
    for (const id of this.cards.keys()) if (!known.has(id)) this.cards.delete(id);
    // Moving an element takes the focus from what is in it: only what is out of place is moved.
    for (const [at, element] of elements.entries()) if (this.list.children[at] !== element) this.list.insertBefore(element, this.list.children[at] ?? null);
    while (this.list.childElementCount > elements.length) this.list.lastElementChild?.remove();
    this.nothing.hidden = shown.length > 0;
    this.nothing.textContent = this.#host(snapshot) ? "No poll yet. Ask something." : "No poll yet. When the host asks something, you vote here.";
    this.rest.textContent = newest.length > shown.length ? `The ${shown.length} newest are shown.` : "";
  }

  /** @param {Snapshot} snapshot */
  #host(snapshot) {
    return snapshot.room.host_user_id === this.me();
  }

  /** @param {Poll} poll @param {Snapshot} snapshot */
  #card(poll, snapshot) {
    let card = this.cards.get(poll.id);
    if (!card || card.choices.length !== poll.options.length || card.poll.multiple !== poll.multiple) {
      card = new BallotCard(poll, {
        vote: (optionIds) => this.#vote(poll.id, optionIds),
        close: () => void this.#close(poll.id),
        open: () => void this.#do("poll:open", poll.id),
        named: () => void this.#named(poll.id),
        save: () => this.#save(poll.id),
      });
      this.cards.set(poll.id, card);
    }
    card.show(poll, {
      host: this.#host(snapshot), live: this.connection.state.phase === "live", now: this.now(),
      sending: this.casts.has(poll.id), problem: this.problems.get(poll.id) ?? "", results: this.results.get(poll.id) ?? null,
    });
    return card;
  }

  /** @param {string} id */
  #find(id) {
    return this.connection.snapshot?.polls.find((poll) => poll.id === id);
  }

  /** @param {string} id @param {string[]} optionIds */
  #vote(id, optionIds) {
    const poll = this.#find(id);
    if (!poll) return;
    const cast = { optionIds, seq: nextSeq(poll, Date.now()), waits: false };
    this.casts.set(id, cast);
    void this.#send(id, cast);
  }

  /** @param {string} id @param {Cast} cast */
  async #send(id, cast) {
    cast.waits = false;
    this.problems.delete(id);
    this.draw();
    try {
      const { poll } = await this.connection.ask("poll:vote", { pollId: id, optionIds: cast.optionIds, clientVoteSeq: cast.seq });
      if (this.casts.get(id) === cast) this.casts.delete(id);
      this.connection.learn(poll);
    } catch (error) {
      if (this.casts.get(id) === cast) this.#refused(id, cast, error instanceof Problem ? error : new Problem("refused", String(error)));
    }
    this.draw();
  }

  /** @param {string} id @param {Cast} cast @param {Problem} problem */
  #refused(id, cast, problem) {
    if (problem.kind === "away") {
      cast.waits = true;
    } else if (problem.kind === "limited") {
      setTimeout(() => this.casts.get(id) === cast && void this.#send(id, cast), (problem.retryAfterSeconds || 1) * 1000);
    } else {
      this.casts.delete(id);
      const late = problem.code === "POLL_CLOSED" ? "The poll was closed before your vote arrived: it is not counted." : `Your vote is not counted. ${problem.message}`;
      this.problems.set(id, late);
    }
  }

  /** @param {string} id */
  async #close(id) {
    const poll = this.#find(id);
    if (!poll) return;
    const sure = await confirmed({
      title: "Close this poll?", act: "Close the poll",
      text: `“${line(poll.question)}” Nobody can vote any more, and the result is final.`,
    });
    if (sure) await this.#do("poll:close", id);
  }

  /** @param {"poll:open" | "poll:close"} event @param {string} id */
  async #do(event, id) {
    this.problems.delete(id);
    try {
      const { poll } = await this.connection.ask(event, { pollId: id });
      this.connection.learn(poll);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problems.set(id, `${error.message}${error.kind === "away" ? " Try again when the connection is back." : ""}`);
    }
    this.draw();
  }

  /** @param {string} id */
  async #named(id) {
    const room = this.connection.snapshot?.room.id ?? ""; // its code is nobody’s once it is closed
    this.results.set(id, "Fetching…");
    this.draw();
    try {
      const { data } = await ask(`/api/rooms/${encodeURIComponent(room)}/polls/${encodeURIComponent(id)}/results.json`);
      const ballots = new Map(Object.entries(/** @type {Record<string, string[]>} */ (data.ballots)));
      this.results.set(id, ballots.size ? ballots : "There are no names to be seen.");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.results.set(id, error.message);
    }
    this.draw();
  }

  /** @param {string} id */
  #save(id) {
    const poll = this.#find(id);
    if (!poll) return;
    const rows = poll.options.map(({ id: option, text, votes, percent }) => [text, votes, percent, poll.winners?.includes(option) ? "yes" : "no"]);
    save("stagedoor-poll.csv", csv([["Answer", "Votes", "Percent", "Won"], ...rows]));
  }

  /** Counts down to when polls close. */
  #tick() {
    if (!document.hidden && this.connection.snapshot?.polls.some(({ state, closes_at: at }) => state === "open" && at)) this.draw();
  }
}
