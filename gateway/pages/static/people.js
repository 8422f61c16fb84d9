/** Who is in the room, in the order of coming, and what its host may do with them. */

import { called, named } from "./display.js";
import { make, soon } from "./dom.js";

/** @import {Present, Snapshot} from "./snapshot.js" */

const SHOWN_MAX = 200;
const FILTER_FROM = 12;

/** @typedef {{kick: (user: string) => void, handOver: (user: string) => void}} Acts */

export class People {
  /** @param {{list: HTMLElement, count: HTMLElement, rest: HTMLElement, filter: HTMLInputElement, box: HTMLElement}} places @param {Acts} acts */
  constructor(places, acts) {
    this.places = places;
    this.acts = acts;
    this.me = "";
    /** @type {Map<string, {element: HTMLLIElement, mark: string}>} */
    this.drawn = new Map();
    /** @type {Snapshot | null} */
    this.snapshot = null;
    this.asked = false;
    places.filter.addEventListener("input", () => this.#later());
  }

  clear() {
    this.snapshot = null;
    this.drawn.clear();
    this.places.list.replaceChildren();
    this.places.count.textContent = "";
    this.places.rest.textContent = "";
    this.places.box.hidden = true;
  }

  /** @param {Snapshot} snapshot @param {string} me */
  show(snapshot, me) {
    const { snapshot: before } = this;
    this.snapshot = snapshot;
    if (before && this.me === me && before.participants === snapshot.participants && before.room === snapshot.room) return;
    this.me = me;
    this.#later();
  }

  /** Many who come at once are drawn once. */
  #later() {
    if (this.asked) return;
    this.asked = true;
    soon(() => {
      this.asked = false;
      this.#draw();
    });
  }

  #draw() {
    const { list, count, rest, filter, box } = this.places;
    const { snapshot } = this;
    if (!snapshot) return;
    const { participants, room } = snapshot;
    const wanted = filter.value.trim().toLowerCase();
    const found = wanted ? participants.filter(({ userId }) => called(userId).toLowerCase().includes(wanted)) : participants;
    const shown = found.slice(0, SHOWN_MAX);
    const rows = shown.map((present) => this.#row(present, snapshot));
    const kept = new Set(shown.map(({ userId }) => userId));
    for (const user of this.drawn.keys()) if (!kept.has(user)) this.drawn.delete(user);
    for (const [at, row] of rows.entries()) if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    while (list.childElementCount > rows.length) list.lastElementChild?.remove();
    count.textContent = `${participants.length} of ${room.max_participants}`;
    box.hidden = participants.length < FILTER_FROM && !wanted;
    rest.textContent = found.length > shown.length ? `and ${found.length - shown.length} more` : wanted && !found.length ? "Nobody of that name is here." : "";
  }

  /** @param {Present} present @param {Snapshot} snapshot */
  #row({ userId: user }, { room }) {
    const leading = room.host_user_id === this.me;
    const mark = [user === room.host_user_id, user === this.me, leading].join();
    const known = this.drawn.get(user);
    if (known?.mark === mark) return known.element;
    const name = make("span", { class: "person" }, named(user));
    if (user === room.host_user_id) name.append(make("span", { class: "tag" }, "host"));
    if (user === this.me) name.append(make("span", { class: "tag ended" }, "you"));
    const row = make("li", {}, name);
    if (leading && user !== this.me) row.append(make("span", { class: "row acts" }, this.#act("Make host…", user, this.acts.handOver), this.#act("Remove…", user, this.acts.kick, "danger")));
    known?.element.replaceWith(row);
    this.drawn.set(user, { element: row, mark });
    return row;
  }

  /** @param {string} text @param {string} user @param {(user: string) => void} act @param {string} [kind] */
  #act(text, user, act, kind = "") {
    const made = make("button", { type: "button", class: `quiet-button small-button ${kind}`.trim() }, text, make("span", { class: "unseen" }, ` ${called(user)}`));
    made.addEventListener("click", () => act(user));
    return made;
  }
}
