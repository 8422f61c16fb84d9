/** Captions of a channel inside a room, in the reader's language; each chooses for themselves, and it is remembered for the room. */

import { byId, languageName, show } from "./dom.js";
import { identity } from "./identity.js";
import { LiveSocket } from "./live.js";
import { apply, remember, remembered } from "./look.js";
import { Screen } from "./screen.js";
import { Transcript } from "./transcript.js";
import { interruption, refusal, smallPrint } from "./words.js";

/** @import {Facts} from "./dom.js" */
/** @import {LiveState} from "./live.js" */
/** @import {Message} from "./messages.js" */

const CHANNEL = /^[A-Za-z0-9_-]{1,64}$/;

export class Subtitles {
  /** @param {Facts} here @param {{changed: () => void}} options */
  constructor(here, { changed }) {
    this.here = here;
    this.changed = changed;
    this.place = `stagedoor.captions.${here.room}`;
    this.box = byId("captions", HTMLElement);
    this.stage = byId("stage", HTMLElement);
    this.note = byId("stage-note", HTMLElement);
    this.notice = byId("captions-notice", HTMLElement);
    this.form = byId("captions-form", HTMLFormElement);
    this.field = byId("captions-channel", HTMLInputElement);
    this.language = byId("captions-lang", HTMLSelectElement);
    this.hide = byId("captions-hide", HTMLButtonElement);
    this.heard = new Transcript(byId("captions-log", HTMLElement), null);
    /** @type {Screen | null} made when it is first seen, because it measures */
    this.screen = null;
    this.channel = "";
    this.current = "";
    this.socket = new LiveSocket({
      address: () => `/ws/live/${encodeURIComponent(this.channel)}/subtitles?${new URLSearchParams({ target_lang: this.current })}`,
      token: () => identity.token,
      onMessage: (message) => this.#receive(message),
      onState: (state) => this.#entered(state),
    });
  }

  /** Begins with what the link names, or what was shown here last. */
  wire() {
    const asked = new URLSearchParams(location.search).get("captions") ?? this.#kept();
    const wished = remembered().lang;
    if ([...this.language.options].some(({ value }) => value === wished)) this.language.value = wished;
    this.current = this.language.value;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.show(this.field.value.trim());
    });
    this.hide.addEventListener("click", () => {
      this.show("");
      this.field.focus();
    });
    this.language.addEventListener("change", () => this.#choose(this.language.value));
    const announce = byId("captions-announce", HTMLInputElement);
    const log = byId("captions-log", HTMLElement);
    const setAnnounce = () => log.setAttribute("aria-live", announce.checked ? "polite" : "off");
    announce.checked = remembered().announce;
    announce.addEventListener("change", () => {
      remember({ announce: announce.checked });
      setAnnounce();
    });
    setAnnounce();
    if (CHANNEL.test(asked)) {
      this.field.value = asked;
      byId("captions-box", HTMLDetailsElement).open = true;
      this.show(asked);
    }
  }

  /** @param {string} channel none: hides them */
  show(channel) {
    if (this.channel && channel !== this.channel) this.socket.stop();
    if (channel !== this.channel) {
      this.socket.resume = null; // another channel is another session
      this.screen?.clear();
      this.heard.clear();
    }
    this.channel = channel;
    this.#keep(channel);
    this.box.hidden = !channel;
    this.hide.hidden = !channel;
    show(this.notice, null);
    this.changed();
    if (!channel) return;
    byId("captions-title", HTMLElement).textContent = channel;
    if (!this.screen) {
      apply(this.stage, remembered());
      this.screen = new Screen(this.stage);
      this.screen.steady = remembered().steady;
    }
    this.socket.start();
  }

  /** Somebody else is here, or nobody. */
  again() {
    if (!this.channel) return;
    this.socket.stop();
    this.socket.resume = null;
    this.socket.start();
  }

  /** @param {string} language */
  #choose(language) {
    remember({ lang: language });
    this.screen?.clear();
    if (!this.socket.send({ type: "set_target", target_lang: language })) {
      this.current = language;
      if (this.channel && this.socket.state.phase === "refused") this.socket.start();
    }
  }

  /** @param {Message} message */
  #receive(message) {
    switch (message.type) {
      case "connected":
      case "channel":
        this.#told(message.state, message.source_lang);
        break;
      case "subtitle":
        this.note.hidden = true;
        this.screen?.take(message);
        if (message.is_final) this.heard.add(message);
        break;
      case "target":
        this.current = message.target_lang;
        break;
      case "error":
        if (!message.recoverable || this.socket.state.phase !== "open") break;
        this.language.value = this.current;
        this.#say(refusal({ phase: "refused", error: message }, "watch").text, message.code);
        break;
      default:
    }
  }

  /** @param {string} state @param {string} spoken */
  #told(state, spoken) {
    const words = {
      live: `Listening to ${languageName(spoken)}…`,
      paused: "The speaker lost the connection, and is expected back.",
      ended: "The stream has ended. If it starts again, captions go on here.",
    };
    this.note.textContent = words[/** @type {keyof typeof words} */ (state)] ?? "Nobody is speaking yet. Captions start here by themselves.";
    this.note.hidden = false;
    if (state === "ended") this.screen?.clear();
  }

  /** @param {LiveState} state */
  #entered(state) {
    if (!this.channel) return;
    if (state.phase === "open") show(this.notice, null);
    else if (state.phase === "connecting" && !state.attempt) this.#wait("Connecting…");
    else if (state.phase === "retrying") {
      show(this.notice, { kind: "retrying", title: interruption(state), text: "Captions come back by themselves, with what is missed meanwhile.", code: smallPrint(state), actions: [{ label: "Try now", act: () => this.socket.retryNow() }] });
    } else if (state.phase === "refused") this.#refused(state);
    else if (state.phase === "ended") this.#wait("The stream has ended.");
  }

  /** @param {LiveState} state */
  #refused(state) {
    const first = state.error?.code === "NO_TOKEN";
    const words = refusal(state, "watch");
    this.#wait("No captions.");
    if (!first) show(this.notice, { kind: "refused", title: words.title, text: words.text, code: smallPrint(state), actions: words.again ? [{ label: "Try again", act: () => this.socket.start() }] : [] });
  }

  /** @param {string} text @param {string} code */
  #say(text, code) {
    show(this.notice, { kind: "warning", title: "That is not possible here", text, code });
  }

  /** @param {string} text */
  #wait(text) {
    this.note.textContent = text;
    this.note.hidden = false;
  }

  #kept() {
    try {
      return localStorage.getItem(this.place) ?? "";
    } catch {
      return ""; // storage is off
    }
  }

  /** @param {string} channel */
  #keep(channel) {
    try {
      if (channel) localStorage.setItem(this.place, channel);
      else localStorage.removeItem(this.place);
    } catch {
      // Storage is off: it holds for this visit.
    }
  }
}
