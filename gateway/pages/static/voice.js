/** The listen button of the viewer's page: a second socket that brings the dubbing of the same channel. */

import { byId, languageName, make } from "./dom.js";
import { Dubbing, bestEncoding } from "./dubbing.js";
import { LiveSocket } from "./live.js";
import { Warned, voiceSpent } from "./minutes.js";
import { remember, remembered } from "./look.js";
import { refusal } from "./words.js";

/** @import {Facts} from "./dom.js" */
/** @import {LiveState} from "./live.js" */

const NOTICEABLE_SECONDS = 3;

export class Voice {
  /** @param {Facts} facts @param {() => string} language @param {() => string | null} token */
  constructor(facts, language, token) {
    this.facts = facts;
    this.language = language;
    this.token = token;
    /** @type {Dubbing | null} */
    this.dubbing = null;
    /** @type {LiveSocket | null} */
    this.socket = null;
    this.button = byId("dub", HTMLButtonElement);
    this.note = byId("dub-note", HTMLElement);
    this.volume = byId("volume", HTMLInputElement);
    this.warned = new Warned();
  }

  wire() {
    this.volume.value = String(remembered().volume);
    this.volume.addEventListener("input", () => {
      const volume = Number(this.volume.value);
      remember({ volume });
      if (this.dubbing) this.dubbing.volume = volume / 100;
    });
    this.button.addEventListener("click", () => void (this.socket ? this.stop() : this.#start()));
    this.languageChanged();
  }

  /** The viewer reads another language now: speak that one, or say that there is no voice for it. */
  languageChanged() {
    const language = this.language();
    const served = this.facts.voices.includes(language);
    this.button.disabled = !served;
    this.note.textContent = served ? "" : `No voice here speaks ${languageName(language)}.`;
    if (!this.socket) return;
    if (!served) this.stop(this.note.textContent);
    else {
      this.dubbing?.silence();
      this.socket.send({ type: "set_target", target_lang: language });
    }
  }

  async #start() {
    this.dubbing = new Dubbing((behind) => this.#behind(behind));
    const encoding = bestEncoding();
    this.socket = new LiveSocket({
      address: () =>
        `/ws/live/${encodeURIComponent(this.facts.channel)}/dubbing?` +
        new URLSearchParams({ target_lang: this.language(), dub_encoding: encoding }),
      token: this.token,
      onMessage: (message) => this.#receive(message),
      onAudio: (header, audio) => this.dubbing?.take(header, audio),
      onState: (state) => this.#changed(state),
    });
    this.#draw(true);
    await this.dubbing.begin();
    if (this.dubbing) this.dubbing.volume = Number(this.volume.value) / 100;
    this.socket?.start();
  }

  /** @param {string} [why] shown beside the button */
  stop(why = "") {
    const { socket, dubbing } = this;
    this.socket = null;
    this.dubbing = null;
    socket?.stop();
    void dubbing?.close();
    this.#draw(false);
    this.note.textContent = why;
  }

  /** @param {boolean} on */
  #draw(on) {
    this.button.setAttribute("aria-pressed", String(on));
    this.button.textContent = on ? "Stop listening" : "Listen";
    byId("volume-box", HTMLElement).hidden = !on;
  }

  /** @param {import("./messages.js").Message} message */
  #receive(message) {
    const about = this.warned.take(message);
    // Without its voice this connection would bring captions, which are here already, and be counted twice.
    if (about?.code === "dubbing_spent") this.#ended(`${about.title}. ${voiceSpent(this.warned.quota)}`);
    else if (about) this.#say(about.title, true);
  }

  /** @param {string} why minutes that are spent */
  #ended(why) {
    this.stop();
    this.#say(why, true);
  }

  /** @param {string} text @param {boolean} [minutes] whether the page of one's minutes says more */
  #say(text, minutes = false) {
    this.note.textContent = text;
    if (minutes) this.note.append(" ", make("a", { href: "/usage", target: "_blank", rel: "noopener" }, "See your minutes"));
  }

  /** @param {LiveState} state */
  #changed(state) {
    if (!this.socket) return;
    if (state.phase === "refused") {
      const words = refusal(state, "watch");
      if (state.code === 4402) this.#ended(`${words.title}. ${words.text}`);
      else this.stop(`${words.title}. ${words.text}`);
    } else if (state.phase === "retrying") {
      this.note.textContent = "The voice was interrupted and comes back by itself.";
    } else if (state.phase === "open") {
      this.note.textContent = "";
    }
  }

  /** @param {number} seconds */
  #behind(seconds) {
    const late = seconds > NOTICEABLE_SECONDS;
    this.note.textContent = late ? `The voice is ${Math.round(seconds)} s behind the captions.` : "";
  }
}
