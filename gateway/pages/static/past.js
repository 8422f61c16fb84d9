/** The calls that one has had, as a table: the newest first, older ones when asked for. */

import { serverNow } from "./api.js";
import { amount, kind, lasted, other, outcome, over } from "./call.js";
import { called, named } from "./display.js";
import { byId } from "./dom.js";
import { Table, rowButton } from "./table.js";
import { moment, read, span } from "./times.js";

/** @import {Call} from "./call.js" */

/**
 * @typedef {object} PastOptions
 * @property {() => string} me
 * @property {(user: string) => void} block
 * @property {(cursor: string) => Promise<{calls: Call[], nextCursor: string | null}>} load older ones
 */

export class Past {
  /** @param {PastOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Map<string, Call>} newest first */
    this.calls = new Map();
    /** @type {string | null} */
    this.cursor = null;
    this.more = byId("past-more", HTMLButtonElement);
    this.more.addEventListener("click", () => void this.#older());
    const { me } = options;
    /** @type {Table<Call>} */
    this.table = new Table(byId("past", HTMLElement), {
      label: "Your calls", file: "calls", empty: "No call yet.", key: ({ id }) => id,
      columns: [
        { title: "When", value: (call) => call.createdAt, text: (call) => moment(read(call.createdAt) ?? 0, serverNow()) },
        { title: "With", value: (call) => called(other(call, me())), cell: (call) => named(other(call, me())), heading: true },
        { title: "What", value: (call) => kind(call.callType) },
        { title: "What came of it", long: true, value: (call) => outcome(call, me()) },
        { title: "Time", unit: "s", number: true, value: (call) => (over(call) ? Math.round(lasted(call, 0)) : null), text: (call) => (over(call) && call.connectedAt ? span(Math.round(lasted(call, 0))) : "–") },
        { title: "Credits", unit: "credits", number: true, value: (call) => amount(call, serverNow()), text: (call) => amount(call, serverNow()).toLocaleString([], { maximumFractionDigits: 4 }) },
      ],
      acts: (call) => [rowButton("Block…", called(other(call, me())), () => options.block(other(call, me())))],
    });
  }

  /** The newest ones, as the server has them now. @param {{calls: Call[], nextCursor: string | null}} page */
  show({ calls, nextCursor }) {
    const newest = new Set(calls.map(({ id }) => id));
    const [last] = calls.slice(-1);
    const older = [...this.calls.values()].filter((call) => !newest.has(call.id) && last && call.createdAt <= last.createdAt);
    if (!older.length) this.cursor = nextCursor;
    this.#set([...calls, ...older]);
  }

  forget() {
    this.cursor = null;
    this.#set([]);
  }

  async #older() {
    if (!this.cursor) return;
    this.more.disabled = true;
    try {
      const page = await this.options.load(this.cursor);
      this.cursor = page.nextCursor;
      this.#set([...this.calls.values(), ...page.calls]);
    } catch {
      // The page says what is wrong where it asks for the newest; this one is pressed again.
    } finally {
      this.more.disabled = false;
    }
  }

  /** @param {Call[]} calls */
  #set(calls) {
    this.calls = new Map(calls.map((call) => [call.id, call]));
    this.table.show(calls);
    this.more.hidden = this.cursor === null;
  }
}
