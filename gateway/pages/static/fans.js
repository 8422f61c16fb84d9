/** The fans whom a creator knows, each with what they let this creator do; and any other, looked up by id. */

import { Problem, ask } from "./api.js";
import { called, line } from "./display.js";
import { byId, make } from "./dom.js";
import { moment, read } from "./times.js";

/** @import {CallType} from "./call.js" */

/** @typedef {{kind: "follow" | "subscribe" | "message" | "tip" | "call", firstAt: string, lastAt: string, endedAt?: string | null}} Relationship */
/** @typedef {{id: string, canMessage: boolean, canCall: boolean, relationships: Relationship[], displayName?: string | null,
 *   avatarUrl?: string | null, joinedAt?: string | null}} Fan */

/** @type {Record<Relationship["kind"], [now: string, ended: string]>} */
const KINDS = { follow: ["follows", "followed"], subscribe: ["subscribed", "was subscribed"], message: ["wrote", "wrote"], tip: ["tipped", "tipped"], call: ["was called", "was called"] };

/**
 * @typedef {object} FansOptions
 * @property {(fan: string, callType: CallType) => void} ring
 * @property {(fan: string) => void} block
 * @property {boolean} profiles whether this server tells what a fan lets one do
 * @property {() => string} why calls cannot be begun just now; empty if they can
 */

export class Fans {
  /** @param {FansOptions} options */
  constructor(options) {
    this.options = options;
    this.place = byId("fans", HTMLElement);
    this.found = byId("found", HTMLElement);
    /** @type {Fan[]} */
    this.fans = [];
    /** @type {Fan | null} */
    this.other = null;
    byId("find", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#find();
    });
  }

  /** @param {Fan[]} fans @param {boolean} more */
  show(fans, more) {
    this.fans = fans;
    this.more = more;
    this.draw();
  }

  draw() {
    const focused = document.activeElement?.getAttribute("data-key");
    if (!this.options.profiles) this.place.replaceChildren(make("p", { class: "empty" }, "Mini profiles are turned off on this server (FEATURE_FAN_MINI_PROFILE): call somebody by id, and see whether they take it."));
    else if (this.fans.length) this.place.replaceChildren(make("ul", { class: "plain room-list" }, ...this.fans.map((fan) => this.#row(fan))), ...(this.more ? [make("p", { class: "hint" }, `The ${this.fans.length} latest are shown; look up others by id.`)] : []));
    else this.place.replaceChildren(make("p", { class: "empty" }, "Nobody yet. When a fan follows you, subscribes, writes or tips, your platform says so, and they stand here."));
    this.found.replaceChildren(...(this.other ? [make("ul", { class: "plain room-list" }, this.#row(this.other, "found-"))] : []));
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`#fans-part [data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  forget() {
    this.fans = [];
    this.other = null;
    this.place.replaceChildren(make("p", { class: "empty" }, "Fetching…"));
    this.found.replaceChildren();
  }

  /** @param {Fan} fan @param {string} [prefix] of the keys that tell its buttons apart */
  #row(fan, prefix = "") {
    const name = line(fan.displayName ?? "");
    const title = make("p", { class: "room-name" }, make("bdi", {}, name || called(fan.id)), " ", ...fan.relationships.map(tag));
    if (fan.relationships.length === 0 && this.options.profiles) title.append(make("span", { class: "tag ended" }, "nothing to do with you"));
    const details = !this.options.profiles ? [] : [
      ...(name ? [make("code", {}, make("bdi", {}, called(fan.id)))] : ["name hidden"]),
      fan.canMessage ? "may be written to" : "does not take messages of yours",
      ...(fan.canCall ? [] : ["does not take calls of yours"]),
    ];
    const acts = make("div", { class: "row" });
    const why = this.options.why();
    if (fan.canCall) {
      for (const callType of /** @type {const} */ (["voice", "video"])) {
        const button = this.#button(callType === "voice" ? "Voice call" : "Video call", fan, `${prefix}${callType}-${fan.id}`, () => this.options.ring(fan.id, callType));
        button.disabled = why !== "";
        if (why) button.title = why;
        acts.append(button);
      }
    }
    acts.append(this.#button("Block…", fan, `${prefix}block-${fan.id}`, () => this.options.block(fan.id), "quiet-button danger"));
    const person = make("div", { class: "fan" }, picture(fan), make("div", { class: "room-row" }, title, make("p", { class: "hint" }, ...details.flatMap((detail, n) => (n ? [" · ", detail] : [detail])))));
    return make("li", {}, person, acts);
  }

  /** @param {string} label @param {Fan} fan @param {string} key @param {() => void} act @param {string} [kind] */
  #button(label, fan, key, act, kind = "small-button") {
    const button = make("button", { type: "button", class: kind, "data-key": key }, label, make("span", { class: "unseen" }, ` ${line(fan.displayName ?? "") || called(fan.id)}`));
    button.addEventListener("click", act);
    return button;
  }

  async #find() {
    const problem = byId("find-problem", HTMLElement);
    const id = byId("find-id", HTMLInputElement).value.trim();
    problem.hidden = true;
    try {
      if (!this.options.profiles) this.other = { id, canMessage: true, canCall: true, relationships: [] };
      else this.other = await ask(`/api/fans/${encodeURIComponent(id)}/mini-profile`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.other = null;
      problem.textContent = error.message;
      problem.hidden = false;
    }
    this.draw();
  }
}

/** @param {Relationship} relationship */
function tag({ kind, firstAt, lastAt, endedAt }) {
  const [now, ended] = KINDS[kind];
  const at = read(endedAt ?? lastAt);
  const element = make("span", { class: endedAt ? "tag ended" : "tag", title: `first ${moment(read(firstAt) ?? 0, Date.now())}, last ${moment(read(lastAt) ?? 0, Date.now())}` }, endedAt ? `${ended} until ${moment(at ?? 0, Date.now())}` : now);
  return element;
}

/** A letter in the place of a picture: pictures are elsewhere, and this page asks nobody else. @param {Fan} fan */
function picture(fan) {
  const [letter = "?"] = line(fan.displayName ?? "") || called(fan.id);
  return make("span", { class: "letter", "aria-hidden": "true" }, letter.toLocaleUpperCase());
}
