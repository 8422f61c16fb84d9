/** An admin's forms: what a user has, minutes granted, a window set back, a limit of their own. */

import { Problem, ask, serverNow } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, facts } from "./dom.js";
import { Meters } from "./meters.js";
import { money } from "./overview.js";
import { Once } from "./once.js";
import { WINDOWS } from "./times.js";

/** @import {Usage} from "./meters.js" */
/** @import {Window} from "./times.js" */

const PATH = "/api/v1/admin/live-quotas";
const user = () => byId("whose", HTMLInputElement).value.trim();

export class Adjusting {
  /** @param {{changed: () => void, overridden: () => void}} options what to do after something was changed */
  constructor({ changed, overridden }) {
    this.changed = changed;
    this.overridden = overridden;
    this.meters = new Meters(byId("user-meters", HTMLElement), facts().warning);
    this.grants = new Once("stagedoor.grant");
    this.resets = new Once("stagedoor.reset");
    this.note = byId("user-note", HTMLElement);
    this.shown = "";
    byId("look", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.look(user());
    });
    this.#form("grant", (values) => this.#grant(values));
    this.#form("reset", (values) => this.#reset(values));
    this.#form("override", (values) => this.#override(values));
  }

  /** Shows what a user has. @param {string} name */
  async look(name) {
    const field = byId("whose", HTMLInputElement);
    field.value = name;
    if (!document.activeElement || !byId("look", HTMLFormElement).contains(document.activeElement)) field.focus();
    this.note.textContent = "Looking…";
    try {
      this.#show(name, await ask(`${PATH}/usage?${new URLSearchParams({ user: name })}`));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.meters.clear();
      this.note.textContent = error.message;
    }
  }

  /** @param {string} name @param {Usage} usage */
  #show(name, usage) {
    this.shown = name;
    const cost = usage.cost ? ` This month’s minutes cost ${money(usage.cost.month)} credits.` : "";
    this.note.textContent = `${name} has the plan ${usage.plan}.${cost}`;
    this.meters.show(usage, serverNow());
  }

  /** @param {string} id @param {(values: Record<string, string>) => Promise<string>} act resolves to what to say */
  #form(id, act) {
    const form = byId(id, HTMLFormElement);
    const [problem, outcome] = [".problem", ".outcome"].map((name) => /** @type {HTMLElement} */ (form.querySelector(name)));
    const button = form.querySelector("button");
    if (!problem || !outcome || !button) return;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      problem.hidden = true;
      outcome.textContent = "";
      const values = Object.fromEntries(/** @type {[string, string][]} */ ([...new FormData(form)]));
      if (!user() && values.whom !== "tenant") {
        problem.textContent = "Say for which user first, in the field above.";
        problem.hidden = false;
        byId("whose", HTMLInputElement).focus();
        return;
      }
      button.disabled = true;
      try {
        outcome.textContent = await act(values);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problem.textContent = error.message;
        problem.hidden = false;
        const wrong = error.param === "user" ? byId("whose", HTMLInputElement) : form.elements.namedItem(error.param);
        if (wrong instanceof HTMLElement) wrong.focus();
      } finally {
        button.disabled = false;
      }
    });
  }

  /** @param {Record<string, string>} values */
  async #grant({ kind = "", minutes = "", window = "", reason = "" }) {
    const name = user();
    const body = { user: name, kind, minutes: Number(minutes), ...(window && { window }), ...(reason.trim() && { reason: reason.trim() }) };
    const answer = await this.grants.post(`${PATH}/grants`, body);
    if (answer.usage) this.#show(name, answer.usage);
    this.changed();
    return `${minutes} minutes of ${kind} were granted to ${name}.`;
  }

  /** @param {Record<string, string>} values */
  async #reset({ kind = "", window = "" }) {
    const name = user();
    const when = WINDOWS[/** @type {Window} */ (window)].toLowerCase();
    const answer = await confirmed({
      title: `Reset ${when} for ${name}?`, act: "Reset it", reason: true,
      text: `What ${name} has used of ${kind} ${when} is set back to nothing, so that the whole limit is there again. It cannot be taken back.`,
    });
    if (!answer) return "";
    const done = await this.resets.post(`${PATH}/reset`, { user: name, kind, window, ...(answer.reason && { reason: answer.reason }) });
    if (this.shown === name && done.usage) this.#show(name, done.usage);
    this.changed();
    return `The minutes of ${kind} that ${name} used ${when} were set back.`;
  }

  /** @param {Record<string, string>} values */
  async #override({ whom = "", kind = "", window = "", minutes = "" }) {
    const name = whom === "tenant" ? "" : user();
    await ask(`${PATH}/overrides`, { method: "PUT", body: { ...(name && { user: name }), kind, window, minutes: Number(minutes) } });
    if (name && this.shown === name) void this.look(name);
    this.overridden();
    this.changed();
    return `The limit stands: ${Number(minutes) < 0 ? "none" : `${minutes} minutes`} of ${kind} each ${window} for ${name || "everybody"}.`;
  }
}
