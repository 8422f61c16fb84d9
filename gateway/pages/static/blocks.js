/** Whom one has blocked: block somebody, which is asked once, and let them go again. */

import { Problem, ask } from "./api.js";
import { confirmed } from "./confirm.js";
import { called, named } from "./display.js";
import { byId, make } from "./dom.js";
import { rowButton } from "./table.js";
import { moment, read } from "./times.js";

/** @typedef {{userId: string, createdAt: string}} Block */

export class Blocks {
  /** @param {{onChange: () => void}} options */
  constructor({ onChange }) {
    this.onChange = onChange;
    this.place = byId("blocks", HTMLElement);
    this.note = byId("block-note", HTMLElement);
    const form = byId("block", HTMLFormElement);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.block(byId("block-id", HTMLInputElement).value.trim()).then((done) => done && form.reset());
    });
  }

  /** @param {Block[]} blocks @param {boolean} more */
  show(blocks, more) {
    const rows = blocks.map(({ userId, createdAt }) => {
      const free = rowButton("Unblock", called(userId), () => void this.#unblock(userId));
      return make("li", {}, make("span", { class: "person" }, named(userId), make("span", { class: "hint" }, `since ${moment(read(createdAt) ?? 0, Date.now())}`)), make("span", { class: "acts" }, free));
    });
    this.place.replaceChildren(rows.length ? make("ul", { class: "plain people", tabindex: "0", "aria-labelledby": "blocks-title" }, ...rows) : make("p", { class: "empty" }, "You have blocked nobody."));
    if (more) this.place.append(make("p", { class: "hint" }, `The ${blocks.length} latest are shown.`));
  }

  forget() {
    this.note.textContent = "";
    this.place.replaceChildren(make("p", { class: "empty" }, "Fetching…"));
  }

  /** @param {string} user @returns {Promise<boolean>} whether they are blocked now */
  async block(user) {
    const name = called(user);
    const sure = await confirmed({ title: `Block ${name}?`, act: "Block", text: "Neither of you can call or write to the other, and a call between you is over at once. They are not told; you can undo it." });
    if (!sure) return false;
    return await this.#ask("PUT", user, `${name} is blocked.`, `${name} is not blocked:`);
  }

  /** @param {string} user */
  async #unblock(user) {
    await this.#ask("DELETE", user, `${called(user)} is not blocked any more.`, `${called(user)} is still blocked:`);
  }

  /** @param {string} method @param {string} user @param {string} done @param {string} failed */
  async #ask(method, user, done, failed) {
    try {
      await ask(`/api/blocks/${encodeURIComponent(user)}`, { method });
      this.note.textContent = done;
      this.onChange();
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.note.textContent = `${failed} ${error.message}`;
      return false;
    }
  }
}
