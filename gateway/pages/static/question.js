/** The dialog in which a host writes a poll: what is asked, between which answers, and how it is voted. */

import { Problem } from "./api.js";
import { byId, make } from "./dom.js";
import { freshKey } from "./once.js";

/** @import {Connection} from "./connection.js" */

const OPTIONS_MIN = 2;
const OPTIONS_MAX = 10;
const OPTION_CHARACTERS_MAX = 100;

export class Question {
  /** @param {Connection} connection */
  constructor(connection) {
    this.connection = connection;
    this.dialog = byId("question", HTMLDialogElement);
    this.form = byId("question-form", HTMLFormElement);
    this.text = byId("question-text", HTMLTextAreaElement);
    this.options = byId("question-options", HTMLElement);
    this.more = byId("question-more", HTMLButtonElement);
    this.problem = byId("question-problem", HTMLElement);
    this.ask = byId("question-ask", HTMLButtonElement);
    this.key = freshKey();
    this.more.addEventListener("click", () => this.#add().focus());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(event.submitter?.getAttribute("value") === "draft");
    });
    this.options.addEventListener("keydown", (event) => this.#key(event));
    this.clear();
  }

  /** Opens it; what was written and not asked is still there. */
  open() {
    this.problem.hidden = true;
    this.dialog.showModal();
    this.text.focus();
  }

  clear() {
    this.form.reset();
    this.options.replaceChildren();
    for (let n = 0; n < OPTIONS_MIN; n += 1) this.#add();
    this.key = freshKey();
  }

  /** @returns {HTMLInputElement} the new line */
  #add() {
    const field = make("input", { maxlength: String(2 * OPTION_CHARACTERS_MAX), autocomplete: "off", dir: "auto", required: "" });
    const remove = make("button", { type: "button", class: "small-button" }, "✕");
    remove.addEventListener("click", () => {
      const beside = /** @type {HTMLElement | null} */ (remove.parentElement?.nextElementSibling ?? remove.parentElement?.previousElementSibling);
      remove.parentElement?.remove();
      this.#number();
      beside?.querySelector("input")?.focus();
    });
    this.options.append(make("div", { class: "joined" }, field, remove));
    this.#number();
    return field;
  }

  #number() {
    const rows = [...this.options.children];
    for (const [at, row] of rows.entries()) {
      row.querySelector("input")?.setAttribute("aria-label", `Answer ${at + 1}`);
      row.querySelector("input")?.setAttribute("placeholder", `Answer ${at + 1}`);
      const remove = row.querySelector("button");
      remove?.setAttribute("aria-label", `Remove answer ${at + 1}`);
      if (remove) remove.hidden = rows.length <= OPTIONS_MIN;
    }
    this.more.hidden = rows.length >= OPTIONS_MAX;
  }

  /** Enter goes to the next line, and makes one after the last. @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    const fields = [...this.options.querySelectorAll("input")];
    const next = fields[fields.indexOf(event.target) + 1];
    if (next) next.focus();
    else if (fields.length < OPTIONS_MAX && event.target.value.trim()) this.#add().focus();
  }

  /** @param {boolean} draft */
  async #submit(draft) {
    const values = new FormData(this.form);
    const seconds = Number(values.get("closes"));
    const poll = {
      question: this.text.value,
      options: [...this.options.querySelectorAll("input")].map(({ value }) => value),
      multiple: values.get("multiple") === "on",
      allow_change: values.get("change") === "on",
      visibility: values.get("visibility"),
      results: values.get("results"),
      ...(seconds && { closes_in_seconds: seconds }),
      draft,
      clientId: this.key,
    };
    this.problem.hidden = true;
    this.ask.disabled = true;
    try {
      const { poll: made } = await this.connection.ask("poll:create", poll);
      this.connection.learn(made);
      this.clear();
      this.dialog.close();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const again = error.kind === "away" ? " Press again when the connection is back: it is asked once." : "";
      this.problem.textContent = `${error.message}.${again}`.replace("..", ".");
      this.problem.hidden = false;
      if (error.kind === "refused") this.key = freshKey();
      if (error.param === "question") this.text.focus();
    } finally {
      this.ask.disabled = false;
    }
  }
}
