/** The lists of an admin's page that change only when an admin does something: the audit trail and the overrides. */

import { Problem, ask, serverNow } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId } from "./dom.js";
import { Table, rowButton } from "./table.js";
import { moment, read, span } from "./times.js";

/** @import {Column} from "./table.js" */

/** @typedef {{id: string, actor: string, action: string, target: string, detail: Record<string, unknown>, occurred_at: string}} Deed */
/** @typedef {{user: string | null, kind: string, window: string, minutes: number, actor: string, changed_at: string}} Override */

const PATH = "/api/v1/admin/live-quotas";
const PAGE = 50;

/** @param {string | undefined} text @returns {string} */
function when(text) {
  const at = read(text);
  return at === null ? "–" : moment(at, serverNow());
}

/** @param {unknown} detail @returns {string} */
function detailText(detail) {
  if (!detail || typeof detail !== "object") return String(detail ?? "");
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

export class Trail {
  constructor() {
    /** @type {Deed[]} */
    this.rows = [];
    this.cursor = "";
    this.note = byId("audit-note", HTMLElement);
    this.more = byId("more-audit", HTMLButtonElement);
    /** @type {Column<Deed>[]} */
    const columns = [
      { title: "When", heading: true, value: (row) => row.occurred_at, text: (row) => when(row.occurred_at) },
      { title: "Who", value: ({ actor }) => actor },
      { title: "Did", value: ({ action }) => action },
      { title: "To", value: ({ target }) => target },
      { title: "Detail", long: true, value: ({ detail }) => detailText(detail) },
    ];
    this.table = new Table(byId("audit", HTMLElement), { label: "What admins did", file: "stagedoor-audit", empty: "No admin has done anything yet.", columns, key: ({ id }) => id });
    this.more.addEventListener("click", () => void this.load(this.cursor));
  }

  /** @param {string} [cursor] where to read on; the newest without it */
  async load(cursor = "") {
    this.more.disabled = true;
    try {
      const page = await ask(`${PATH}/audit?${new URLSearchParams({ limit: String(PAGE), ...(cursor && { cursor }) })}`);
      /** @type {Deed[]} */
      const rows = page.audit;
      this.rows = cursor ? [...this.rows, ...rows] : rows;
      this.cursor = page.next_cursor ?? "";
      this.table.show(this.rows);
      this.more.hidden = !this.cursor;
      this.note.textContent = "";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.note.textContent = error.message;
    } finally {
      this.more.disabled = false;
    }
  }
}

export class Overrides {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Override[]} */
    this.rows = [];
    this.cursor = "";
    this.note = byId("overrides-note", HTMLElement);
    this.more = byId("more-overrides", HTMLButtonElement);
    this.more.addEventListener("click", () => void this.load(this.cursor));
    /** @type {Column<Override>[]} */
    const columns = [
      { title: "For", heading: true, value: ({ user }) => user || "everybody" },
      { title: "Of", value: ({ kind }) => kind },
      { title: "Each", value: ({ window }) => window },
      { title: "Minutes", number: true, value: ({ minutes }) => minutes, text: ({ minutes }) => (minutes < 0 ? "no limit" : span(minutes * 60)) },
      { title: "Set by", value: ({ actor }) => actor },
      { title: "When", value: (row) => row.changed_at, text: (row) => when(row.changed_at) },
    ];
    this.table = new Table(byId("overrides", HTMLElement), {
      label: "Limits that stand in the place of a plan’s", file: "stagedoor-limits", empty: "None: everybody has what their plan says.", columns,
      key: ({ user, kind, window }) => JSON.stringify([user ?? "", kind, window]),
      acts: (row) => [rowButton("Remove…", `for ${row.user || "everybody"}, ${row.kind} each ${row.window}`, () => void this.#remove(row), "danger")],
    });
  }

  /** @param {string} [cursor] where to read on; the first ones without it */
  async load(cursor = "") {
    try {
      const page = await ask(`${PATH}/overrides?${new URLSearchParams({ limit: String(PAGE), ...(cursor && { cursor }) })}`);
      this.rows = cursor ? [...this.rows, ...page.overrides] : page.overrides;
      this.cursor = page.next_cursor ?? "";
      this.table.show(this.rows);
      this.more.hidden = !this.cursor;
      this.note.textContent = "";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.note.textContent = error.message;
    }
  }

  /** @param {Override} row */
  async #remove({ user, kind, window }) {
    const whom = user || "everybody";
    const answer = await confirmed({ title: "Remove this limit?", act: "Remove it", text: `For ${whom} the plan’s minutes of ${kind} each ${window} hold again, from the next minute on.` });
    if (!answer) return;
    try {
      await ask(`${PATH}/overrides?${new URLSearchParams({ ...(user && { user }), kind, window })}`, { method: "DELETE" });
      await this.load();
      this.note.textContent = `The limit for ${whom} was removed.`;
      this.changed();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.note.textContent = `The limit was not removed: ${error.message}`;
    }
  }
}
