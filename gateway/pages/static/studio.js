/** The studio: one person publishes a channel from the microphone or a file, and sees what is heard. */

import { microphone, openMicrophone } from "./capture.js";
import { byId, clock, facts, setState, show, spell, wireDialogs } from "./dom.js";
import { FileCapture, decodeFile } from "./file.js";
import { askToSignIn, identity, wireIdentity } from "./identity.js";
import { wireLinks } from "./links.js";
import { Left, USAGE, Warned } from "./minutes.js";
import { Publication } from "./publication.js";
import { Screen } from "./screen.js";
import { Transcript } from "./transcript.js";
import { interruption, refusal, smallPrint, warningWords } from "./words.js";

/** @import {Capture} from "./capture.js" */
/** @import {LiveState} from "./live.js" */
/** @import {Message} from "./messages.js" */

const SILENT_SECONDS = 5;
const here = facts();
const notice = byId("notice", HTMLElement);
const note = byId("stage-note", HTMLElement);
const start = byId("start", HTMLButtonElement);
const end = byId("end", HTMLButtonElement);
const screen = new Screen(byId("stage", HTMLElement));
const left = new Left();
const warned = new Warned();
const transcript = new Transcript(byId("transcript", HTMLElement), null);

/** @type {Publication | null} */
let publication = null;
let onAirSince = 0;
let loudAt = 0;
let lagSeconds = 0;
let lostSeconds = 0;
/** @type {import("./dom.js").Notice | null} */
let passing = null;

/** @returns {"microphone" | "file"} */
function wanted() {
  const chosen = document.querySelector('input[name="source"]:checked');
  return chosen instanceof HTMLInputElement && chosen.value === "file" ? "file" : "microphone";
}

/** @param {boolean} on whether something is being published or prepared */
function lock(on) {
  byId("fields", HTMLFieldSetElement).disabled = on;
  start.hidden = on;
  end.hidden = !on;
  for (const id of ["meter-box", "figures"]) byId(id, HTMLElement).hidden = !on;
  byId("progress-box", HTMLElement).hidden = !on || wanted() !== "file";
}

/** @returns {Promise<Capture>} */
async function open() {
  if (wanted() === "microphone") {
    const stream = await openMicrophone(byId("device", HTMLSelectElement).value, byId("clean", HTMLInputElement).checked);
    void listDevices();
    return microphone(stream, byId("encoding", HTMLSelectElement).value);
  }
  const file = byId("file", HTMLInputElement).files?.[0];
  if (!file) throw new Error("Choose a sound file first.");
  setState("connecting", "Reading the file…");
  const capture = new FileCapture(await decodeFile(file), (done, total) => {
    const bar = byId("progress", HTMLProgressElement);
    bar.max = total;
    bar.value = done;
    byId("progress-text", HTMLElement).textContent = `${clock(done)} of ${clock(total)}`;
  });
  byId("progress-name", HTMLElement).textContent = file.name;
  capture.onDone = () => void finish();
  return capture;
}

async function goOnAir() {
  if (!identity.token) {
    show(notice, { kind: "info", title: "Sign in as a creator to publish", text: "Creators and admins may speak on a channel.", actions: [{ label: "Sign in", act: askToSignIn }] });
    askToSignIn();
    return;
  }
  start.disabled = true;
  show(notice, null);
  try {
    const capture = await open();
    onAirSince = 0;
    lagSeconds = 0;
    lostSeconds = 0;
    passing = null;
    loudAt = performance.now();
    publication = new Publication({
      channel: here.channel,
      language: byId("spoken", HTMLSelectElement).value,
      capture,
      token: () => identity.token,
      onState: changed,
      onMessage: receive,
      onLost: (seconds) => {
        lostSeconds += seconds;
        transcript.note(`About ${spell(seconds)} of sound were lost here.`);
      },
    });
    lock(true);
    transcript.clear();
    screen.clear();
    note.hidden = false;
    publication.start();
    end.focus();
  } catch (error) {
    setState("idle", "Not on air");
    show(notice, { kind: "refused", title: "There is no sound yet", text: error instanceof Error ? error.message : String(error) });
  } finally {
    start.disabled = false;
  }
}

/** @param {LiveState} state */
function changed(state) {
  switch (state.phase) {
    case "connecting":
      if (!state.attempt) setState("connecting", "Connecting…");
      break;
    case "open":
      onAirSince ||= performance.now();
      setState("live", "On air");
      note.textContent = "Speak. Captions appear here.";
      drawNotice(state);
      break;
    case "retrying":
      setState("retrying", "Reconnecting…");
      drawNotice(state);
      break;
    case "refused":
      publication = null;
      stopped("refused", "Off air");
      showRefusal(state);
      break;
    case "ended":
      ended();
      break;
    default:
  }
}

/** @param {LiveState} state */
function drawNotice(state) {
  if (state.phase === "retrying") {
    const left = Math.max(0, Math.ceil(((state.retryAt ?? 0) - performance.now()) / 1000));
    const file = wanted() === "file";
    show(notice, {
      kind: "retrying",
      title: interruption(state),
      text: file
        ? "The file waits where it is, and goes on from there when the connection is back."
        : "Keep speaking: up to a minute is kept here, and sent when the connection is back.",
      countdown: left ? `Next try in ${left} s.` : "Trying…",
      code: smallPrint(state),
      actions: [{ label: "Try now", act: () => publication?.socket.retryNow() }],
    });
  } else {
    show(notice, passing);
  }
}

/** @param {LiveState} state */
function showRefusal(state) {
  const words = refusal(state, "studio");
  const actions = [];
  if (words.signIn) actions.push({ label: "Sign in", act: askToSignIn });
  if (words.again) actions.push({ label: "Go on air again", act: () => void goOnAir() });
  show(notice, { kind: "refused", title: words.title, text: words.text, code: smallPrint(state), actions, links: state.code === 4402 ? [USAGE] : [] });
}

/** @param {Message} message */
function receive(message) {
  left.take(message);
  const about = warned.take(message);
  if (about) {
    passing = about;
    drawNotice({ phase: "open" });
  }
  switch (message.type) {
    case "subtitle":
      note.hidden = true;
      screen.take(message);
      if (message.is_final) transcript.add(message);
      lagSeconds = Math.max(0, (publication?.sentSeconds ?? 0) - message.end);
      break;
    case "lag":
      lagSeconds = message.received_seconds - message.processed_seconds;
      break;
    case "warning":
      if (about) break;
      passing = { kind: "warning", title: warningWords(message) };
      drawNotice({ phase: "open" });
      break;
    case "gap":
      transcript.note(`Nothing was captioned for ${spell(message.to - message.from)} here.`);
      break;
    default:
  }
}

/** @param {string} phase @param {string} text */
function stopped(phase, text) {
  lock(false);
  setState(phase, text);
  if (byId("confirm", HTMLDialogElement).open) byId("confirm", HTMLDialogElement).close();
}

function ended() {
  const result = publication?.ended;
  publication = null;
  stopped("ended", "Ended");
  if (!result) {
    show(notice, { kind: "warning", title: "Stopped before the server had finished", text: "The last sentence may be missing from the transcript." });
    return;
  }
  show(notice, {
    kind: "info",
    title: `Ended after ${spell(result.audio_seconds)} of sound`,
    text: `${spell(result.billed_seconds)} counted. The transcript is on the watch page${lostSeconds > 0.5 ? `; about ${spell(lostSeconds)} were lost on the way` : ""}.`,
    actions: [{ label: "Open the watch page", act: () => location.assign(byId("watch-link", HTMLInputElement).value) }],
  });
  start.focus();
}

/** Ends after the last words were captioned. */
async function finish() {
  if (!publication) return;
  end.disabled = true;
  setState("connecting", "Finishing the last words…");
  await publication.end();
  end.disabled = false;
}

/** Level, seconds and lag, a few times a second. */
function drawFigures() {
  if (!publication) return;
  const level = publication.capture.level();
  const now = performance.now();
  if (level > 0.25) loudAt = now;
  const meter = byId("meter", HTMLElement);
  meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  const fill = /** @type {HTMLElement} */ (meter.firstElementChild);
  fill.style.transform = `scaleX(${level.toFixed(3)})`;
  fill.classList.toggle("loud", level > 0.95);
  const silent = wanted() === "microphone" && onAirSince > 0 && now - loudAt > SILENT_SECONDS * 1000;
  byId("meter-hint", HTMLElement).textContent = silent ? "Nothing is heard. Is the microphone muted?" : level > 0.95 ? "Too loud" : "";
  byId("sent", HTMLElement).textContent = spell(publication.sentSeconds);
  byId("acked", HTMLElement).textContent = spell(publication.ackedSeconds);
  byId("kept", HTMLElement).textContent = spell(publication.keptSeconds);
  byId("lag", HTMLElement).textContent = publication.ackedSeconds ? spell(Math.max(0, lagSeconds)) : "–";
  if (publication.socket.state.phase === "retrying") drawNotice(publication.socket.state);
}

async function listDevices() {
  const select = byId("device", HTMLSelectElement);
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const named = devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default");
  const chosen = select.value;
  const options = named.map((device, index) => new Option(device.label || `Microphone ${index + 1}`, device.deviceId));
  select.replaceChildren(new Option("The browser’s default", ""), ...options);
  if (named.some((device) => device.deviceId === chosen)) select.value = chosen;
}

function wire() {
  byId("setup", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void goOnAir();
  });
  for (const radio of document.querySelectorAll('input[name="source"]')) {
    radio.addEventListener("change", () => {
      byId("for-microphone", HTMLElement).hidden = wanted() !== "microphone";
      byId("for-file", HTMLElement).hidden = wanted() !== "file";
    });
  }
  const confirm = byId("confirm", HTMLDialogElement);
  end.addEventListener("click", () => confirm.showModal());
  byId("cancel", HTMLButtonElement).addEventListener("click", () => confirm.showModal());
  byId("confirm-end", HTMLButtonElement).addEventListener("click", () => {
    confirm.close();
    void finish();
  });
  window.addEventListener("beforeunload", (event) => {
    if (publication) event.preventDefault();
  });
  identity.addEventListener("change", () => {
    if (identity.token) show(notice, null);
    else if (publication) void publication.end();
  });
  setInterval(drawFigures, 100);
}

wireDialogs();
wireIdentity();
wire();
wireLinks(here);
void listDevices();
