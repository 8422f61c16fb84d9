/** One poll on the page: its bars, the vote of whoever looks at it, and what its host may do. Elements stay, their content changes. */

import { line, named } from "./display.js";
import { make } from "./dom.js";
import { nobodyCanTell, over } from "./snapshot.js";
import { span } from "./times.js";

/** @import {Option, Poll} from "./snapshot.js" */

/**
 * What the page around knows: who looks, and how the vote that was sent is doing.
 * @typedef {{host: boolean, live: boolean, sending: boolean, problem: string, now: number, results: Map<string, string[]> | string | null}} Around
 */

/** @typedef {{vote: (optionIds: string[]) => void, close: () => void, open: () => void, named: () => void, save: () => void}} Acts */

/** @param {number} count @returns {string} */
export function votes(count) {
  return count === 1 ? "1 vote" : `${count} votes`;
}

/** @param {Poll} poll @returns {string[]} the texts of the options that won */
export function winning(poll) {
  return poll.options.filter(({ id }) => poll.winners?.includes(id)).map(({ text }) => line(text));
}

/** @param {Poll} poll @returns {string} the outcome in a sentence; empty while there is none to be seen */
export function outcome(poll) {
  if (!over(poll) || !poll.winners) return "";
  const won = winning(poll);
  if (won.length === 0) return "Nobody voted.";
  return won.length === 1 ? `“${won[0]}” won.` : `A tie between ${won.map((text) => `“${text}”`).join(" and ")}.`;
}

class Choice {
  /** @param {Poll} poll @param {Option} option @param {() => void} changed */
  constructor(poll, option, changed) {
    this.id = option.id;
    this.input = make("input", { type: poll.multiple ? "checkbox" : "radio", name: `poll-${poll.id}`, value: option.id });
    this.input.addEventListener("change", changed);
    // The page sets the whole poll in the direction of its question; the answer keeps its own inside.
    this.text = make("bdi", {}, line(option.text));
    this.own = make("span", { class: "tag" }, "your vote");
    this.mark = make("span", { class: "tag won" });
    this.count = make("span", { class: "choice-count" });
    this.fill = make("span", { class: "choice-fill" });
    this.bar = make("span", { class: "choice-bar", "aria-hidden": "true" }, this.fill);
    const told = make("span", { class: "choice-told" }, this.own, this.mark, this.count);
    this.element = make("label", { class: "choice" }, this.input, make("span", { class: "choice-text" }, this.text), told, this.bar);
  }

  /** @param {Poll} poll @param {Option} option */
  show(poll, option) {
    const { votes: count, percent } = option;
    const counted = count !== undefined && percent !== undefined && poll.state !== "draft";
    const mine = poll.my_vote?.includes(option.id) ?? false;
    const won = poll.winners?.includes(option.id) ?? false;
    set(this.text, line(option.text)); // a draft may be edited
    this.bar.hidden = !counted;
    this.count.hidden = !counted;
    if (counted) {
      set(this.count, `${count} · ${percent} %`);
      this.count.title = votes(count);
      this.fill.style.inlineSize = `${percent}%`;
    }
    this.own.hidden = !mine || poll.state === "draft";
    this.mark.hidden = !won;
    set(this.mark, (poll.winners?.length ?? 0) > 1 ? "Tie" : "Winner");
    this.element.classList.toggle("winner", won);
    this.element.classList.toggle("chosen", mine);
  }
}

export class BallotCard {
  /** @param {Poll} poll @param {Acts} acts */
  constructor(poll, acts) {
    this.acts = acts;
    this.poll = poll;
    this.dirty = false;
    this.known = new Set(poll.my_vote);
    this.question = make("h3");
    this.tags = make("p", { class: "tags" });
    this.choices = poll.options.map((option) => new Choice(poll, option, () => this.#touched()));
    this.fields = make("fieldset", { class: "bare", dir: "auto" }, make("legend", {}, this.question), ...this.choices.map(({ element }) => element));
    this.vote = make("button", { class: "primary" }, "Vote");
    this.back = button("Take it back", () => this.#cast([]), "quiet-button");
    this.open = button("Open it", () => acts.open(), "primary");
    this.close = button("Close the poll…", () => acts.close(), "danger");
    this.who = button("Who voted how", () => acts.named());
    this.save = button("Save as CSV", () => acts.save(), "quiet-button");
    this.row = make("div", { class: "row" }, this.vote, this.back, this.open, this.who, this.save, this.close);
    this.note = make("p", { class: "hint" });
    this.problem = make("p", { class: "problem", role: "alert", hidden: "" });
    this.ballots = make("div", { class: "ballots" });
    this.form = make("form", { class: "stack" }, this.fields, this.note, this.problem, this.row, this.ballots);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#cast(this.chosen);
    });
    this.element = make("article", { class: "poll", "data-poll": poll.id }, this.tags, this.form);
    this.#take(poll.my_vote ?? []);
  }

  /** What is ticked now. */
  get chosen() {
    return this.choices.filter(({ input }) => input.checked).map(({ id }) => id);
  }

  /** @param {Poll} poll @param {Around} around */
  show(poll, around) {
    this.poll = poll;
    const mine = poll.my_vote ?? [];
    if (!this.dirty || mine.length !== this.known.size || mine.some((id) => !this.known.has(id))) this.#take(mine);
    set(this.question, line(poll.question));
    for (const choice of this.choices) {
      const option = poll.options.find(({ id }) => id === choice.id);
      if (option) choice.show(poll, option);
    }
    this.#tags(around.now);
    this.#buttons(around);
    set(this.note, this.#said(around));
    this.problem.hidden = !around.problem;
    set(this.problem, around.problem);
    this.#ballots(around.results);
    this.element.dataset.state = poll.state;
  }

  /** @param {readonly string[]} optionIds what counts, in the place of what is ticked */
  #take(optionIds) {
    this.dirty = false;
    this.known = new Set(optionIds);
    for (const { id, input } of this.choices) input.checked = this.known.has(id);
  }

  #touched() {
    this.dirty = true;
    this.#voteButton();
  }

  /** @param {string[]} optionIds */
  #cast(optionIds) {
    this.dirty = false;
    this.acts.vote(optionIds);
  }

  #voteButton() {
    const { poll, known, chosen } = this;
    const same = chosen.length === known.size && chosen.every((id) => known.has(id));
    this.vote.disabled = chosen.length === 0 || same;
    set(this.vote, known.size ? "Change my vote" : "Vote");
    this.vote.hidden = poll.state !== "open" || (known.size > 0 && !poll.allow_change);
  }

  /** @param {Around} around */
  #buttons({ host, live, sending }) {
    const { poll } = this;
    const open = poll.state === "open";
    const fixed = !open || (this.known.size > 0 && !poll.allow_change);
    this.fields.disabled = fixed || sending;
    this.element.classList.toggle("fixed", fixed);
    this.#voteButton();
    if (sending) this.vote.disabled = true;
    this.back.hidden = !open || !poll.allow_change || this.known.size === 0;
    this.back.disabled = sending;
    this.open.hidden = poll.state !== "draft" || !host;
    this.close.hidden = !open || !host;
    this.open.disabled = this.close.disabled = this.who.disabled = !live;
    this.who.hidden = !over(poll) || poll.voters === 0 || poll.visibility === "anonymous" || (poll.visibility === "hidden" && !host);
    this.save.hidden = !over(poll) || !poll.winners;
    this.row.hidden = [...this.row.children].every((one) => /** @type {HTMLElement} */ (one).hidden);
  }

  /** @param {number} now */
  #tags(now) {
    const { poll } = this;
    const left = poll.closes_at && poll.state === "open" ? Math.max(0, Math.ceil((Date.parse(poll.closes_at) - now) / 1000)) : null;
    const words = [
      { draft: "Draft", open: "Open", closed: "Closed", archived: "Closed" }[poll.state],
      votes(poll.voters),
      poll.multiple ? "several answers" : "one answer",
      { public: "names are shown", hidden: "only the host sees names", anonymous: "anonymous" }[poll.visibility],
      ...(left === null ? [] : [left > 0 ? `closes in ${span(left)}` : "closing…"]),
    ];
    const [state = "", ...rest] = words;
    if (this.tags.dataset.words === words.join("|")) return;
    this.tags.dataset.words = words.join("|");
    this.tags.replaceChildren(make("span", { class: poll.state === "open" ? "tag" : "tag ended" }, state), ` ${rest.join(" · ")}`);
  }

  /** @param {Around} around @returns {string} */
  #said({ host, live, sending }) {
    const { poll } = this;
    const counted = poll.options.some(({ votes: count }) => count !== undefined);
    const told = outcome(poll);
    if (sending) return live ? "Sending your vote…" : "Your vote is kept, and sent when the connection is back.";
    if (told) return nobodyCanTell(poll) ? `${told} Nobody can tell any more who voted how.` : told;
    if (poll.state === "draft") return `Only ${host ? "you see" : "you and the host see"} this. Nobody can vote until it is opened.`;
    const parts = [];
    if (poll.state === "open" && !poll.allow_change) parts.push(this.known.size ? "Your vote stands." : "A vote cannot be changed.");
    if (!counted) parts.push(hidden(poll, this.known.size > 0, host));
    return parts.filter(Boolean).join(" ");
  }

  /** @param {Around["results"]} results by voter, or why they cannot be had */
  #ballots(results) {
    if (this.ballots.dataset.shown === String(results && typeof results === "object" ? results.size : results)) return;
    this.ballots.dataset.shown = String(results && typeof results === "object" ? results.size : results);
    this.ballots.replaceChildren();
    if (typeof results === "string") this.ballots.append(make("p", { class: "hint" }, results));
    if (!(results instanceof Map)) return;
    const list = make("ul", { class: "plain" });
    for (const [user, optionIds] of results) {
      const texts = this.poll.options.filter(({ id }) => optionIds.includes(id)).map(({ text }) => make("bdi", {}, line(text)));
      list.append(make("li", {}, make("b", {}, named(user)), ": ", ...texts.flatMap((text, at) => (at ? [", ", text] : [text]))));
    }
    this.ballots.append(list);
  }
}

/** @param {Poll} poll @param {boolean} voted @param {boolean} host @returns {string} why there are no counts */
function hidden(poll, voted, host) {
  const few = "How it stands is shown from the fifth vote on, so that nobody’s vote can be guessed.";
  if (host) return poll.visibility === "anonymous" && !over(poll) ? few : "";
  switch (poll.results) {
    case "host": return "Only the host sees the result.";
    case "after_close": return over(poll) ? "" : "The result is shown when the poll is closed.";
    case "after_vote": return voted || over(poll) ? (poll.visibility === "anonymous" ? few : "") : "How it stands is shown when you have voted.";
    case "always": return poll.visibility === "anonymous" ? few : "";
  }
}

/** @param {string} text @param {() => void} act @param {string} [kind] */
function button(text, act, kind = "") {
  const made = make("button", { type: "button", ...(kind && { class: kind }) }, text);
  made.addEventListener("click", act);
  return made;
}

/** @param {HTMLElement} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
