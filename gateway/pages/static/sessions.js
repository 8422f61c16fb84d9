/** The table of sessions: filtered, sorted, exported, read on by cursor; an active one can be ended. */

import { Problem, ask, serverNow } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, make } from "./dom.js";
import { STATES } from "./overview.js";
import { Table, rowButton } from "./table.js";
import { moment, read, span } from "./times.js";

/** @import {Column} from "./table.js" */

/**
 * @typedef {{session_id: string, user: string, channel_id: string, kind: string, plan: string, state: string, started_at: string,
 *   active_at?: string, ended_at?: string | null, end_reason?: string | null, media_seconds: number}} Session
 */
/** @typedef {{sessions: Session[], next_cursor?: string | null}} Page */

const PATH = "/api/v1/admin/live-quotas/sessions";
const PAGE = 50;

/** @param {string | null | undefined} text @returns {string} */
function when(text) {
  const at = read(text ?? undefined);
  return at === null ? "–" : moment(at, serverNow());
}

export class Sessions {
  /** @param {{changed: () => void, look: (user: string) => void}} options */
  constructor({ changed, look }) {
    this.changed = changed;
    /** @type {Session[]} */
    this.rows = [];
    this.cursor = "";
    this.pages = 1;
    this.filter = { state: "ACTIVE", user: "" };
    this.note = byId("sessions-note", HTMLElement);
    this.more = byId("more-sessions", HTMLButtonElement);
    this.first = byId("first-sessions", HTMLButtonElement);
    this.table = new Table(byId("sessions", HTMLElement), {
      label: "Sessions", file: "stagedoor-sessions", empty: "No such session. One begins when somebody watches, listens or speaks.",
      columns: columns(), key: ({ session_id: id }) => id, acts: (row) => this.#acts(row, look),
    });
    const form = byId("filter", HTMLFormElement);
    const apply = () => {
      this.filter = { state: byId("state-filter", HTMLSelectElement).value, user: byId("user-filter", HTMLInputElement).value.trim() };
      this.#restart();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      apply();
    });
    byId("state-filter", HTMLSelectElement).addEventListener("change", apply);
    this.more.addEventListener("click", () => void this.#loadMore());
    this.first.addEventListener("click", () => this.#restart());
  }

  /** @param {AbortSignal} signal @returns {Promise<Page | null>} the newest; null while older ones are looked at */
  async load(signal) {
    return this.pages > 1 ? null : await ask(this.#path(""), { signal });
  }

  /** @param {Page | null} page */
  show(page) {
    if (page === null || this.pages > 1) return;
    this.rows = page.sessions;
    this.cursor = page.next_cursor ?? "";
    this.#draw();
  }

  #restart() {
    this.pages = 1;
    this.changed();
  }

  /** @param {string} cursor */
  #path(cursor) {
    const { state, user } = this.filter;
    return `${PATH}?${new URLSearchParams({ limit: String(PAGE), ...(state && { state }), ...(user && { user }), ...(cursor && { cursor }) })}`;
  }

  async #loadMore() {
    this.more.disabled = true;
    const { filter } = this;
    try {
      const page = /** @type {Page} */ (await ask(this.#path(this.cursor)));
      if (filter !== this.filter) return;
      const known = new Set(this.rows.map(({ session_id: id }) => id));
      this.rows = [...this.rows, ...page.sessions.filter(({ session_id: id }) => !known.has(id))];
      this.cursor = page.next_cursor ?? "";
      this.pages += 1;
      this.#draw();
    } catch (error) {
      this.note.textContent = error instanceof Problem ? `${error.message} Press Load more again.` : String(error);
    } finally {
      this.more.disabled = false;
    }
  }

  #draw() {
    const count = this.rows.length;
    this.table.show(this.rows);
    this.more.hidden = !this.cursor;
    this.first.hidden = this.pages === 1;
    const shown = this.cursor ? `The ${count} newest are shown, sorted and exported; there are more.` : "";
    const text = this.pages > 1 ? `${shown || `${count} are shown.`} The list stands still while you look at older ones.` : shown;
    if (this.note.textContent !== text && !this.note.dataset.held) this.note.textContent = text;
  }

  /** @param {Session} row @param {(user: string) => void} look */
  #acts(row, look) {
    const minutes = rowButton("Minutes", `of ${row.user}`, () => look(row.user));
    return row.state === "ACTIVE" ? [minutes, rowButton("End…", `session of ${row.user}`, () => void this.#end(row), "danger")] : [minutes];
  }

  /** @param {Session} row */
  async #end(row) {
    const answer = await confirmed({
      title: "End this session?", act: "End the session", reason: true,
      text: `${row.user} is disconnected from ${row.channel_id} within seconds. What was used so far is counted.`,
    });
    if (!answer) return;
    this.#say(`Ending the session of ${row.user}…`);
    try {
      await ask(`${PATH}/${encodeURIComponent(row.session_id)}/end`, { method: "POST", body: answer.reason ? { reason: answer.reason } : {} });
      this.#say(`The session of ${row.user} is ended; it is gone within seconds.`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 409) this.#say(`The session of ${row.user} had already ended.`);
      else this.#say(`The session of ${row.user} was not ended: ${error.message}`);
    }
    this.changed();
  }

  /** What was done is left to be read for a while. @param {string} text */
  #say(text) {
    this.note.textContent = text;
    this.note.dataset.held = text;
    setTimeout(() => {
      if (this.note.dataset.held === text) delete this.note.dataset.held;
    }, 15_000);
  }
}

/** @returns {Column<Session>[]} */
function columns() {
  return [
    { title: "User", heading: true, value: ({ user }) => user },
    { title: "Channel", value: ({ channel_id: id }) => id, cell: ({ channel_id: id }) => make("a", { href: `/watch/${encodeURIComponent(id)}`, target: "_blank", rel: "noopener" }, id) },
    { title: "Kind", value: ({ kind }) => kind },
    { title: "Plan", value: ({ plan }) => plan },
    { title: "State", value: ({ state }) => state, cell: ({ state }) => make("span", { class: state === "ACTIVE" ? "tag" : "tag ended" }, STATES[state] ?? state) },
    { title: "Used", unit: "seconds", number: true, value: (row) => row.media_seconds, text: (row) => span(row.media_seconds) },
    { title: "Started", value: (row) => row.started_at, text: (row) => when(row.started_at) },
    { title: "Last active", value: (row) => row.active_at ?? null, text: (row) => when(row.active_at) },
    { title: "Ended", value: (row) => (row.ended_at ? [row.ended_at, row.end_reason].filter(Boolean).join(" ") : null), text: (row) => (row.ended_at ? [when(row.ended_at), row.end_reason].filter(Boolean).join(", ") : "–") },
  ];
}
