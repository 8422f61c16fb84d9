/** A form for what somebody has chosen: filled from the server, and saved there; what is being typed stays. */

import { Problem, ask } from "./api.js";

/** @typedef {Record<string, string | number | null | undefined>} Chosen */
/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

export class Choices {
  /**
   * @param {HTMLFormElement} form with a button, `.outcome` and `.problem`
   * @param {{path: string, onSaved: (chosen: any) => void}} options
   */
  constructor(form, { path, onSaved }) {
    this.form = form;
    this.path = path;
    this.onSaved = onSaved;
    /** @type {Chosen} */
    this.chosen = {};
    this.touched = false;
    form.addEventListener("input", () => {
      this.touched = true;
      this.#say("");
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#save();
    });
  }

  /** @returns {Field[]} */
  get fields() {
    return /** @type {Field[]} */ ([...this.form.elements].filter((field) => field instanceof HTMLInputElement || field instanceof HTMLSelectElement));
  }

  /** @param {Chosen} chosen */
  fill(chosen) {
    this.chosen = chosen;
    if (this.touched) return;
    for (const field of this.fields) {
      const value = String(chosen[field.name] ?? "");
      if (field.value !== value) field.value = value;
    }
  }

  /** Somebody else is here. */
  forget() {
    this.touched = false;
    this.form.reset();
    this.#say("");
  }

  /** What is different from what the server has, in its shape. */
  get changes() {
    /** @type {Record<string, string | number | null>} */
    const changed = {};
    for (const field of this.fields) {
      const before = this.chosen[field.name] ?? "";
      if (field.value.trim() === String(before)) continue;
      changed[field.name] = field.type === "number" ? Number(field.value) : field.value.trim() || (field.type === "url" ? null : "");
    }
    return changed;
  }

  async #save() {
    const button = this.form.querySelector("button");
    const { changes } = this;
    if (changes.username === "") {
      this.#say("A public page that has a name keeps one: change it to another.", true);
      return;
    }
    if (button) button.disabled = true;
    try {
      const chosen = Object.keys(changes).length ? await ask(this.path, { method: "PATCH", body: changes }) : this.chosen;
      this.touched = false;
      this.fill(chosen);
      this.#say("Saved.");
      this.onSaved(chosen);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#say(`Not saved: ${error.message}`, true);
    } finally {
      if (button) button.disabled = false;
    }
  }

  /** @param {string} text @param {boolean} [bad] */
  #say(text, bad = false) {
    const problem = /** @type {HTMLElement} */ (this.form.querySelector(".problem"));
    const outcome = /** @type {HTMLElement} */ (this.form.querySelector(".outcome"));
    problem.hidden = !bad;
    problem.textContent = bad ? text : "";
    outcome.textContent = bad ? "" : text;
  }
}
