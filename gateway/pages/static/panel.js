/** Draws the call of this page: who rings, for how long, sound and picture, time and cost, and what one may do. */

import { serverNow } from "./api.js";
import { amount, credits, kind, lasted, other, pays, perMinute, reason } from "./call.js";
import { fundedFor } from "./calling.js";
import { called, named } from "./display.js";
import { byId, clock, make, show } from "./dom.js";
import { callTrouble } from "./calltrouble.js";
import { copied } from "./links.js";
import { moment, read, span } from "./times.js";

/** @import {Call} from "./call.js" */
/** @import {Calling, Phase} from "./calling.js" */
/** @import {Notice} from "./dom.js" */

const BUTTONS = /** @type {const} */ (["accept", "accept-voice", "decline", "cancel", "sound", "mute", "camera", "end", "close"]);
/** @typedef {typeof BUTTONS[number]} Act */

/**
 * @typedef {object} PanelOptions
 * @property {Calling} calling
 * @property {() => string} me
 * @property {() => number | null} balance of the one who is here, where it is known
 * @property {number} lostSeconds after which a side that is not heard of is gone
 * @property {() => boolean} away whether the connection to the server is lost just now
 * @property {(act: Act) => void} act
 */

export class Panel {
  /** @param {PanelOptions} options */
  constructor(options) {
    this.options = options;
    this.card = byId("call", HTMLElement);
    this.title = byId("call-title", HTMLElement);
    this.text = byId("call-text", HTMLElement);
    this.screen = byId("call-screen", HTMLElement);
    this.far = byId("far", HTMLVideoElement);
    this.near = byId("near", HTMLVideoElement);
    this.ring = byId("call-ring", HTMLElement);
    this.figures = byId("call-figures", HTMLElement);
    this.notice = byId("call-notice", HTMLElement);
    /** @type {Record<Act, HTMLButtonElement>} */
    this.buttons = /** @type {any} */ (Object.fromEntries(BUTTONS.map((name) => [name, byId(`call-${name}`, HTMLButtonElement)])));
    for (const name of BUTTONS) this.buttons[name].addEventListener("click", () => options.act(name));
    byId("agora-copy", HTMLButtonElement).addEventListener("click", (event) => void copied(/** @type {HTMLButtonElement} */ (event.currentTarget), byId("agora-token", HTMLInputElement)));
    this.silent = false; // the browser did not let the sound play by itself
    this.shown = "";
  }

  /** Lets the sound play after somebody has pressed a button. */
  async play() {
    try {
      await this.far.play();
      this.silent = false;
    } catch {
      this.silent = true;
    }
    this.draw();
  }

  draw() {
    const { calling } = this.options;
    const { call, phase, problem } = calling;
    this.card.hidden = phase === "none" && !problem;
    this.card.dataset.phase = phase;
    if (!call) this.#alone(phase);
    else this.#words(call, phase);
    this.#media(call, phase);
    this.#acts(call, phase);
    this.tick();
    const key = `${call?.id ?? ""} ${phase}`;
    if (this.shown !== key) this.#came(phase);
    this.shown = key;
  }

  /** What changes with time alone. */
  tick() {
    const { calling } = this.options;
    const { call, phase } = calling;
    const ringing = phase === "incoming" || phase === "outgoing";
    this.ring.hidden = !ringing;
    if (ringing && call) {
      const whole = (read(call.expiresAt) ?? 0) - (read(call.createdAt) ?? 0);
      byId("call-ring-left", HTMLElement).style.inlineSize = `${Math.min(100, (100 * calling.ringsFor) / Math.max(1, whole))}%`;
    }
    this.#figures(call, phase);
    show(this.notice, this.#notice(call, phase));
  }

  /** @param {Phase} phase */
  #alone(phase) {
    this.title.textContent = phase === "asking" ? "Calling…" : "There was no call";
    this.text.textContent = phase === "asking" ? "The browser may ask for the microphone and the camera." : "";
  }

  /** @param {Call} call @param {Phase} phase */
  #words(call, phase) {
    const { me } = this.options;
    const who = named(other(call, me()));
    const what = kind(call.callType);
    /** @type {Record<Phase, [title: (Node | string)[], text: string]>} */
    const words = {
      none: [[], ""],
      asking: [["Calling ", who, "…"], ""],
      incoming: [[who, " is calling you"], `${what}, ${perMinute(call.ratePerMinute)} from the moment when you are connected.`],
      outgoing: [["Calling ", who, "…"], `${what}, ${perMinute(call.ratePerMinute)}. It rings on every device of theirs.`],
      elsewhere: [["In a call with ", who, " on another device"], `${what}. It goes on there; you can end it here too.`],
      connecting: [["Connecting with ", who, "…"], "Nothing is charged before both are connected."],
      live: [["In a call with ", who], ""],
      ended: [["The call with ", who, " is over"], `${reason(call, me())}.`],
    };
    const [title, text] = words[phase];
    this.title.replaceChildren(...title);
    this.text.textContent = text;
    this.text.hidden = !text;
  }

  /** @param {Call | null} call @param {Phase} phase */
  #media(call, phase) {
    const { talk, media } = this.options.calling;
    this.screen.hidden = !talk;
    this.screen.dataset.picture = String(talk?.seen ?? false);
    attach(this.far, talk?.far ?? null, () => void this.play());
    attach(this.near, talk?.shown ? talk.stream : null);
    this.near.hidden = !talk?.shown;
    const note = byId("far-note", HTMLElement);
    note.hidden = talk?.seen ?? false;
    if (talk && call) note.textContent = talk.way === "connected" || talk.way === "weak" ? `${called(other(call, this.options.me()))} sends sound, and no picture` : "Finding the way to the other side…";
    const agora = media?.provider === "agora" && (phase === "connecting" || phase === "live");
    byId("call-agora", HTMLElement).hidden = !agora;
    if (!agora || !media) return;
    for (const [id, value] of Object.entries({ channel: media.channel, uid: String(media.uid), app: media.appId ?? "", token: media.token ?? "" })) {
      byId(`agora-${id}`, HTMLInputElement).value = value;
    }
    byId("agora-until", HTMLElement).textContent = `until ${moment(read(media.expiresAt) ?? 0, serverNow())}`;
  }

  /** @param {Call | null} call @param {Phase} phase */
  #acts(call, phase) {
    const { calling } = this.options;
    const { talk } = calling;
    const video = call?.callType === "video";
    /** @type {Record<Act, boolean>} */
    const shown = {
      accept: phase === "incoming",
      "accept-voice": phase === "incoming" && video && this.options.calling.options.peer,
      decline: phase === "incoming",
      cancel: phase === "outgoing" || (phase === "elsewhere" && call?.state === "RINGING"),
      sound: talk !== null && this.silent,
      mute: talk !== null,
      camera: talk !== null && video,
      end: phase === "connecting" || phase === "live" || (phase === "elsewhere" && call?.state !== "RINGING"),
      close: phase === "ended" || (phase === "none" && calling.problem !== null),
    };
    const focused = document.activeElement;
    for (const name of BUTTONS) {
      this.buttons[name].hidden = !shown[name];
      this.buttons[name].disabled = calling.busy && name !== "mute" && name !== "sound";
    }
    if (talk) {
      this.buttons.mute.setAttribute("aria-pressed", String(talk.muted));
      this.buttons.camera.setAttribute("aria-pressed", String(talk.shown));
    }
    // The button that was pressed is gone: stay where the call is.
    if (focused instanceof HTMLButtonElement && this.card.contains(focused) && (focused.hidden || focused.disabled)) this.title.focus({ preventScroll: true });
  }

  /** @param {Call | null} call @param {Phase} phase */
  #figures(call, phase) {
    const { calling, me, balance } = this.options;
    /** @type {[string, string][]} */
    const rows = [];
    if (call) {
      const now = serverNow();
      const buys = pays(call, me());
      if (phase === "incoming" || phase === "outgoing") rows.push(["Rings for", `${Math.ceil(calling.ringsFor / 1000)} s`]);
      if (call.connectedAt) rows.push(["Time", phase === "ended" ? span(Math.round(lasted(call, now))) : clock(lasted(call, now))]);
      if (call.connectedAt && phase === "ended" && call.billedSeconds) rows.push(["Charged", span(call.billedSeconds)]);
      if (phase === "live" || phase === "ended") rows.push([phase === "ended" ? (buys ? "It cost" : "You earned") : buys ? "Cost so far" : "Earned so far", credits(amount(call, now))]);
      if (phase === "live" && call.ratePerMinute) rows.push(["Rate", perMinute(call.ratePerMinute)]);
      const left = balance();
      if (buys && left !== null && call.ratePerMinute && phase !== "ended") rows.push(["Your credits", credits(left)]);
    }
    const drawn = [...this.figures.children];
    if (drawn.length !== rows.length) this.figures.replaceChildren(...rows.map(() => make("div", {}, make("dt"), make("dd"))));
    rows.forEach(([name, value], at) => {
      const [dt, dd] = this.figures.children[at]?.children ?? [];
      if (dt && dt.textContent !== name) dt.textContent = name;
      if (dd && dd.textContent !== value) dd.textContent = value;
    });
  }

  /** @param {Call | null} call @param {Phase} phase @returns {Notice | null} */
  #notice(call, phase) {
    const { calling, lostSeconds, me } = this.options;
    const inside = phase === "live" || phase === "connecting";
    if (inside && this.options.away()) {
      return { kind: "retrying", title: "The connection to the server is lost", text: `Sound and picture go on where they can. If this page is not back in ${lostSeconds} s the call ends, as of the last time that it was heard of; no later time is charged.` };
    }
    if (inside && call && calling.talk && calling.joined && calling.talk.way === "weak") {
      return { kind: "retrying", title: "The other side is hard to reach just now", text: `It is tried again. If they do not come back in ${lostSeconds} s the call ends as of when they left.` };
    }
    if (inside && calling.talk?.way === "failed") {
      return { kind: "retrying", title: "The two devices do not reach each other", text: `Another way is being looked for. If there is none in ${lostSeconds} s the call ends, and this time is not charged.` };
    }
    if (calling.problem) return callTrouble(calling.problem, call, me());
    if (call?.lastMinute && phase === "live") {
      return { kind: "warning", title: "Your credits do not pay for another minute", text: "The call ends then. If whoever runs this server gives you more before that, it goes on.", countdown: `${Math.ceil(fundedFor(call))} s are left.` };
    }
    if (phase === "ended" && call?.endReason === "balance_spent") return { kind: "info", title: pays(call, me()) ? "Your credits were used up" : "The fan’s credits were used up", text: pays(call, me()) ? "You pay for what was connected and nothing more. With more credits you can be called again." : "You have earned what was connected." };
    return null;
  }

  /** @param {Phase} phase */
  #came(phase) {
    if (phase === "none") return;
    const focused = document.activeElement;
    const loose = focused === null || focused === document.body || focused === this.title;
    if (phase === "incoming" || phase === "outgoing") this.card.scrollIntoView({ block: "nearest" });
    if (phase === "incoming" && loose) this.buttons.accept.focus({ preventScroll: true });
  }
}

/** @param {HTMLVideoElement} element @param {MediaStream | null} stream @param {() => void} [then] */
function attach(element, stream, then) {
  if (element.srcObject === stream) return;
  element.srcObject = stream;
  if (stream) then?.();
}
