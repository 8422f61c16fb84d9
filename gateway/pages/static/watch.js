/** The viewer's page: captions, transcript and voice of one channel in one language. */

import { byId, facts, languageName, setState, show, spell, wireDialogs } from "./dom.js";
import { askToSignIn, identity, wireIdentity } from "./identity.js";
import { LiveSocket } from "./live.js";
import { Left, USAGE, Warned } from "./minutes.js";
import { apply, remember, remembered } from "./look.js";
import { Screen } from "./screen.js";
import { Transcript, download, earlier } from "./transcript.js";
import { Voice } from "./voice.js";
import { interruption, refusal, smallPrint, warningWords } from "./words.js";

/** @import {LiveState} from "./live.js" */
/** @import {Message, Refusal, Subtitle} from "./messages.js" */

const here = facts();
const stage = byId("stage", HTMLElement);
const note = byId("stage-note", HTMLElement);
const notice = byId("notice", HTMLElement);
const language = byId("lang", HTMLSelectElement);
const screen = new Screen(stage);
const left = new Left();
const warned = new Warned();
const transcript = new Transcript(byId("transcript", HTMLElement), byId("follow", HTMLButtonElement));

let channelState = "waiting";
let source = "";
let streamId = "";
let current = "";
/** @type {{received: number, at: number, behind: number} | null} */
let audioClock = null;

const socket = new LiveSocket({
  address: () => `/ws/live/${encodeURIComponent(here.channel)}/subtitles?${new URLSearchParams({ target_lang: current })}`,
  token: () => identity.token,
  onMessage: receive,
  onState: changed,
});
const voice = new Voice(here, () => current, () => identity.token);

/** @param {Message} message */
function receive(message) {
  left.take(message);
  const about = warned.take(message);
  if (about) show(notice, about);
  switch (message.type) {
    case "connected":
      learn(message.state, message.source_lang);
      if (!message.resumed) void fillIn();
      break;
    case "channel":
      if (streamId && message.stream_id && message.stream_id !== streamId) transcript.divide();
      streamId = message.stream_id || streamId;
      learn(message.state, message.source_lang);
      break;
    case "subtitle":
      subtitle(message);
      break;
    case "target":
      current = message.target_lang;
      break;
    case "resync":
      transcript.note("Some captions were missed here and could not be fetched again.");
      void fillIn();
      break;
    case "gap":
      transcript.note(`Nothing was captioned for ${spell(message.to - message.from)} here.`);
      break;
    case "pong":
    case "lag":
      if (message.received_seconds === undefined || message.processed_seconds === undefined) break;
      audioClock = { received: message.received_seconds, at: performance.now(), behind: message.received_seconds - message.processed_seconds };
      break;
    case "warning":
      if (!about) show(notice, { kind: "warning", title: warningWords(message), code: message.code });
      break;
    case "error":
      if (message.recoverable && socket.state.phase === "open") notTaken(message);
      break;
    default:
  }
}

/** @param {Subtitle} message */
function subtitle(message) {
  note.hidden = true;
  screen.take(message);
  if (!message.is_final) return;
  transcript.add(message);
  if (audioClock) {
    const heard = audioClock.received + (performance.now() - audioClock.at) / 1000;
    byId("delay", HTMLElement).textContent = spell(Math.max(0, heard - message.end));
  }
}

/** The server did not take what was asked (say, a language). @param {Refusal} error */
function notTaken(error) {
  const words = refusal({ phase: "refused", error }, "watch");
  show(notice, { kind: "warning", title: words.title, text: words.text, code: error.code });
  language.value = current;
}

/** @param {string} state @param {string} spoken */
function learn(state, spoken) {
  channelState = state;
  source = spoken;
  const targets = new Set(here.pairs.filter(([from]) => from === spoken).map(([, to]) => to));
  for (const option of language.options) {
    option.disabled = (state === "live" || state === "paused") && targets.size > 0 && !targets.has(option.value);
  }
  drawState();
}

function drawState() {
  if (socket.state.phase !== "open") return;
  if (channelState === "live") {
    setState("live", `Live, speaking ${languageName(source)}`);
    note.textContent = "Listening…";
  } else if (channelState === "paused") {
    setState("waiting", "The speaker lost the connection");
    note.textContent = "The speaker lost the connection, and is expected back.";
  } else if (channelState === "ended") {
    setState("ended", "The stream has ended");
    note.textContent = "The stream has ended. If it starts again, captions go on here.";
    note.hidden = false;
    screen.clear();
  } else {
    setState("waiting", "Waiting for the speaker");
    note.textContent = "Nobody is speaking yet. Captions start here by themselves.";
    note.hidden = false;
  }
}

/** @param {LiveState} state */
function changed(state) {
  clearInterval(countdown);
  switch (state.phase) {
    case "connecting":
      if (!state.attempt) {
        setState("connecting", "Connecting…");
        show(notice, null);
      }
      break;
    case "open":
      show(notice, null);
      void stayAwake();
      break;
    case "retrying":
      setState("retrying", "Reconnecting…");
      showRetry(state);
      countdown = setInterval(() => showRetry(state), 1000);
      break;
    case "refused":
      showRefusal(state);
      break;
    case "ended":
      setState("ended", "The stream has ended");
      break;
    default:
  }
}

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

/** @param {LiveState} state */
function showRetry(state) {
  const left = Math.max(0, Math.ceil(((state.retryAt ?? 0) - performance.now()) / 1000));
  show(notice, {
    kind: "retrying",
    title: interruption(state),
    text: "This page comes back by itself. What you have read stays, and captions missed meanwhile are added.",
    countdown: left ? `Next try in ${left} s.` : "Trying…",
    code: smallPrint(state),
    actions: [{ label: "Try now", act: () => socket.retryNow() }],
  });
}

/** @param {LiveState} state */
function showRefusal(state) {
  const words = refusal(state, "watch");
  const first = state.error?.code === "NO_TOKEN";
  setState(first ? "idle" : "refused", first ? "Not signed in" : "Stopped");
  note.hidden = !first;
  const actions = [];
  if (words.signIn) actions.push({ label: "Sign in", act: askToSignIn });
  if (words.again) actions.push({ label: "Try again", act: () => socket.start() });
  show(notice, { kind: first ? "info" : "refused", title: words.title, text: words.text, code: first ? "" : smallPrint(state), actions, links: state.code === 4402 ? [USAGE] : [] });
}

/** What was said before this page was here. */
async function fillIn() {
  const token = identity.token;
  const lang = current;
  if (!token) return;
  const said = await earlier(here.channel, lang, token).catch(() => []);
  if (lang !== current || transcript.size > 0) return;
  for (const { start, text } of said) transcript.add({ start, text, lang });
}

/** A phone that shows captions must not go to sleep. */
async function stayAwake() {
  if (document.hidden || !("wakeLock" in navigator)) return;
  await navigator.wakeLock.request("screen").catch(() => {}); // a low battery may refuse it: nothing to do
}

/** @param {string} lang */
function choose(lang) {
  if (lang === current) return;
  const before = current;
  current = lang;
  remember({ lang });
  screen.clear();
  transcript.clear();
  if (socket.state.phase === "open") {
    if (!socket.send({ type: "set_target", target_lang: lang })) current = before;
    void fillIn();
  } else if (socket.state.phase === "refused") {
    socket.start();
  }
  voice.languageChanged();
}

function wireLook() {
  const look = remembered();
  apply(stage, look);
  screen.steady = look.steady;
  for (const name of /** @type {const} */ (["size", "background", "position"])) {
    const select = byId(name, HTMLSelectElement);
    select.value = stage.dataset[name] ?? "";
    select.addEventListener("change", () => {
      apply(stage, remember({ [name]: select.value }));
      screen.measure();
    });
  }
  const steady = byId("steady", HTMLInputElement);
  steady.checked = look.steady;
  steady.addEventListener("change", () => (screen.steady = remember({ steady: steady.checked }).steady));
  const announce = byId("announce", HTMLInputElement);
  const log = byId("transcript", HTMLElement);
  announce.checked = look.announce;
  const setAnnounce = () => log.setAttribute("aria-live", remember({ announce: announce.checked }).announce ? "polite" : "off");
  announce.addEventListener("change", setAnnounce);
  setAnnounce();
}

function wireControls() {
  const wished = here.lang || remembered().lang;
  if ([...language.options].some((option) => option.value === wished)) language.value = wished;
  current = language.value;
  language.addEventListener("change", () => choose(language.value));
  for (const button of document.querySelectorAll("[data-download]")) {
    button.addEventListener("click", async () => {
      const place = byId("download-note", HTMLElement);
      const token = identity.token;
      if (!token) return askToSignIn();
      place.textContent = "Fetching…";
      place.textContent = await download(here.channel, current, token, button.getAttribute("data-download") ?? "vtt");
    });
  }
  const full = byId("full", HTMLButtonElement);
  full.hidden = !document.fullscreenEnabled;
  full.addEventListener("click", () => void (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()));
  const latency = byId("latency", HTMLDetailsElement);
  setInterval(() => {
    if (!latency.open || document.hidden) return;
    socket.measure();
    if (socket.tripMs !== null) byId("trip", HTMLElement).textContent = `${Math.round(socket.tripMs)} ms`;
    if (audioClock) byId("behind", HTMLElement).textContent = spell(Math.max(0, audioClock.behind));
  }, 1000);
}

wireDialogs();
wireIdentity();
wireLook();
wireControls();
voice.wire();
identity.addEventListener("change", () => {
  if (identity.token && socket.state.phase === "refused") socket.start();
  else if (!identity.token && socket.state.phase !== "refused") {
    socket.stop();
    voice.stop();
    showRefusal({ phase: "refused", code: 4001, error: { type: "error", code: "NO_TOKEN", message: "", recoverable: false } });
    socket.state = { phase: "refused" };
  }
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && socket.state.phase === "open") void stayAwake();
});
socket.start();
