/** The page of calls: the one that rings or goes on, who may call whom, what it costs, and what has been. */

import { Announcer } from "./announcer.js";
import { Problem, ask, serverNow } from "./api.js";
import { Blocks } from "./blocks.js";
import { credits, kind, lasted, other, over, reason } from "./call.js";
import { Calling } from "./calling.js";
import { Choices } from "./choices.js";
import { device } from "./device.js";
import { called } from "./display.js";
import { byId, facts, make, setState, show, wireDialogs } from "./dom.js";
import { Fans } from "./fans.js";
import { identity, wireIdentity } from "./identity.js";
import { Line } from "./line.js";
import { Panel } from "./panel.js";
import { Past } from "./past.js";
import { Poll } from "./poll.js";
import { span } from "./times.js";
import { Tone } from "./tone.js";
import { noticeOf } from "./trouble.js";

/** @import {Call, CallView} from "./call.js" */
/** @import {Chosen} from "./choices.js" */
/** @import {Fan} from "./fans.js" */
/** @import {Block} from "./blocks.js" */
/** @import {LineState} from "./line.js" */
/** @import {PollState} from "./poll.js" */
/** @typedef {{calls: Call[], nextCursor: string | null}} Page */
/** @typedef {{calls: Page, blocks: {blocks: Block[], nextCursor: string | null}, balance?: {balance: number}, fan?: Chosen, creator?: Chosen,
 *   fans?: {fans: Fan[], nextCursor: string | null}}} Data */

const EVERY_MS = 15_000;
const GAP_MS = 1_000;
const TICK_MS = 250;
const EVENTS = ["incoming", "accepted", "declined", "missed", "cancelled", "connected", "ended", "answered_elsewhere", "balance_low"];

const here = facts();
const rules = here.calls ?? { enabled: false, privacy: true, profiles: true, provider: "peer", heartbeat_seconds: 10, lost_seconds: 30 };
const notice = byId("notice", HTMLElement);
const announcer = new Announcer(byId("told", HTMLElement), { gapMs: 1_500 });
const title = document.title;
let whose = "";
/** @type {Data | null} */
let data = null;

const line = new Line({
  load, token: () => identity.token, greet, onState: entered,
  events: {
    ...Object.fromEntries(EVENTS.map((name) => [`call:${name}`, (/** @type {CallView} */ view) => heard(view)])),
    "call:signal": (signal) => calling.signalled(signal),
    warning: () => announcer.say({ kind: "warning", text: "Your sign-in runs out soon. Sign in again to stay reachable." }),
  },
});
const calling = new Calling({
  line, me, peer: rules.provider === "peer", heartbeatSeconds: rules.heartbeat_seconds, onChange: changed, onOther: beside,
});
const panel = new Panel({
  calling, me, balance: () => data?.balance?.balance ?? null, lostSeconds: rules.lost_seconds,
  away: () => line.state.phase === "retrying" || (line.state.phase === "connecting" && Boolean(line.state.attempt)), act,
});
const blocks = new Blocks({ onChange: () => poll.now() });
const fans = new Fans({ ring: (fan, callType) => void ring(fan, callType), block: (user) => void blocks.block(user), profiles: rules.profiles, why });
const past = new Past({ me, block: (user) => void blocks.block(user), load: (cursor) => ask(`/api/calls?cursor=${encodeURIComponent(cursor)}`) });
const privacy = new Choices(byId("privacy", HTMLFormElement), { path: "/api/fans/me", onSaved: () => {} });
const rates = new Choices(byId("rates", HTMLFormElement), { path: "/api/creators/me", onSaved: drawCreator });
const poll = new Poll({ load: fetched, onData: draw, onState: polled, everyMs: EVERY_MS, gapMs: GAP_MS });
const tone = new Tone(byId("tone", HTMLInputElement));
let phase = calling.phase;

/** @returns {string} */
function me() {
  return identity.claims?.sub ?? "";
}

/** @param {string} role */
function is(role) {
  return identity.claims?.roles.includes(role) ?? false;
}

// --- the connection -------------------------------------------------------------------------------------

async function load() {
  if (!here.socketio) {
    throw new Problem("refused", "It was installed without the Socket.IO client, which comes from npm. Whoever runs it can add it: python deploy/modules.py, then start the server again.", { code: "NO_MODULE" });
  }
  try {
    return /** @type {import("./line.js").Module} */ (await import(here.socketio));
  } catch {
    throw new Problem("away", "The page could not be loaded in full.");
  }
}

/** @param {import("./line.js").Ask} asked */
async function greet(asked) {
  const { calls } = await asked("call:device", { deviceId: device });
  return () => void calling.greeted(calls);
}

/** @param {LineState} state */
function entered(state) {
  drawState();
  drawNotice();
  panel.draw();
  if (state.phase === "live") poll.now();
}

function drawState() {
  const words = /** @type {const} */ ({ idle: ["idle", "Not connected"], connecting: ["connecting", "Connecting…"], live: ["waiting", "Ready"], retrying: ["retrying", "Reconnecting…"], refused: ["refused", "Not reachable"] });
  const [dot, text] = words[line.state.phase];
  if (line.state.problem?.code === "NO_TOKEN") setState("idle", "Not signed in");
  else if (line.state.phase === "live" && !["none", "ended"].includes(calling.phase)) setState("waiting", "In a call");
  else setState(dot, line.state.phase === "live" && is("fan") ? "Can be called" : text);
}

/** What keeps this page from working is said once, whichever way it was noticed. */
function drawNotice() {
  const { phase, problem = null, retryAt = 0 } = line.state;
  const words = {
    signIn: "Sign in to see your calls and to be called", kept: "What is shown here stays, and a call that goes on is not ended by this.",
    live: "", again: () => { line.retryNow(); if (line.state.phase === "refused") line.start(); poll.retry(); },
  };
  if (problem?.code === "NO_MODULE") show(notice, { kind: "refused", title: "This server’s page cannot be called", text: problem.message, code: problem.code });
  else if (phase === "refused" && problem) show(notice, noticeOf({ phase: "refused", problem, retryAt: 0 }, words));
  else if (phase === "retrying") show(notice, noticeOf({ phase: problem?.kind === "limited" ? "limited" : "away", problem: problem ?? new Problem("away", navigator.onLine ? "The connection was lost: you cannot be called just now" : "This device is offline: you cannot be called"), retryAt }, words));
  else show(notice, noticeOf(poll.state, words));
}

/** @param {PollState} _state */
function polled(_state) {
  drawNotice();
}

// --- the call -------------------------------------------------------------------------------------------

/** @param {CallView} view */
function heard(view) {
  calling.take(view);
  poll.now();
}

/** A call that is not the one on the page. @param {Call} call */
function beside(call) {
  if (!over(call) || me() !== call.fanId || call.endReason !== "busy") return;
  announcer.say({ kind: "beside", text: `${called(call.creatorId)} has called meanwhile.` });
  poll.now();
}

function changed() {
  panel.draw();
  if (calling.phase === phase) return;
  phase = calling.phase;
  if (phase === "incoming") tone.start();
  else tone.stop();
  drawState();
  say();
  fans.draw();
  if (phase === "ended") poll.now();
}

/** What a screen reader hears, and what the tab is called. */
function say() {
  const { call } = calling;
  const who = call ? called(other(call, me())) : "";
  document.title = phase === "incoming" ? `${who} calls · Stagedoor` : phase === "live" ? `In a call · Stagedoor` : title;
  const alarm = byId("alarm", HTMLElement);
  alarm.textContent = phase === "incoming" && call ? `${who} is calling you. ${kind(call.callType)}. Accept or decline.` : "";
  /** @type {Partial<Record<typeof phase, string>>} */
  const texts = {
    outgoing: `Calling ${who}.`, connecting: "Accepted. Connecting.", live: `Connected with ${who}.`,
    elsewhere: "The call is on another of your devices.", ended: call ? `The call with ${who} is over. ${call.connectedAt ? `It took ${span(Math.round(lasted(call, serverNow())))}.` : `${reason(call, me())}.`}` : "",
  };
  const text = texts[phase];
  if (text) announcer.say({ kind: "call", text });
}

/** @param {string} fan @param {import("./call.js").CallType} callType */
async function ring(fan, callType) {
  const card = byId("call", HTMLElement);
  await calling.ring(fan, callType);
  card.scrollIntoView({ block: "nearest" });
}

/** @param {import("./panel.js").Act} what */
function act(what) {
  const { call, talk } = calling;
  switch (what) {
    case "accept": return void calling.accept(call?.callType ?? "voice");
    case "accept-voice": return void calling.accept("voice");
    case "decline": return void calling.decline();
    case "cancel": return void calling.cancel();
    case "end": return void calling.end();
    case "sound": return void panel.play();
    case "close": return calling.close();
    case "mute":
      if (talk) talk.muted = !talk.muted;
      return;
    default:
      if (talk) void talk.showing(!talk.shown).catch(cameraFailed);
  }
}

/** @param {unknown} error */
function cameraFailed(error) {
  if (!(error instanceof Problem)) throw error;
  calling.problem = error;
  panel.draw();
}

/** @returns {string} why nobody can be called just now */
function why() {
  if (!rules.enabled) return "Calls are turned off on this server.";
  return ["none", "ended"].includes(calling.phase) ? "" : "You are in a call.";
}

// --- what stands below ----------------------------------------------------------------------------------

/** @param {AbortSignal} signal @returns {Promise<Data>} */
async function fetched(signal) {
  /** @type {Record<string, string>} */
  const paths = { calls: "/api/calls", blocks: "/api/blocks" };
  if (is("fan")) paths.balance = "/api/v1/credits/balance";
  if (is("fan") && rules.privacy) paths.fan = "/api/fans/me";
  if (is("creator")) paths.creator = "/api/creators/me";
  if (is("creator") && rules.profiles) paths.fans = "/api/creators/me/fans";
  const answers = await Promise.all(Object.entries(paths).map(async ([name, path]) => [name, await ask(path, { signal })]));
  return Object.fromEntries(answers);
}

/** @param {Data} fresh */
function draw(fresh) {
  data = fresh;
  byId("first", HTMLElement).hidden = true;
  byId("work", HTMLElement).hidden = false;
  past.show(fresh.calls);
  blocks.show(fresh.blocks.blocks, fresh.blocks.nextCursor !== null);
  if (fresh.balance) byId("balance", HTMLElement).textContent = credits(fresh.balance.balance);
  if (fresh.fan) privacy.fill(fresh.fan);
  if (fresh.creator) drawCreator(fresh.creator);
  if (is("creator") && !rules.profiles) fans.draw();
  if (fresh.fans) fans.show(fresh.fans.fans, fresh.fans.nextCursor !== null);
  panel.draw();
}

/** @param {Chosen} creator */
function drawCreator(creator) {
  rates.fill(creator);
  byId("earned", HTMLElement).textContent = credits(Number(creator.earned ?? 0));
  const place = byId("public-page", HTMLElement);
  const name = String(creator.username ?? "");
  if (place.dataset.name === name) return;
  place.dataset.name = name;
  place.replaceChildren(...(name ? ["Your page: ", make("a", { href: `/creator/${encodeURIComponent(name)}`, target: "_blank", rel: "noopener" }, `/creator/${name} (new tab)`)] : ["Without a name there is no page."]));
}

/** Who is here decides which parts there are; somebody else begins anew. */
function follow() {
  const who = identity.claims;
  const now = who ? `${who.tenant}/${who.sub}/${who.roles.join()}` : "";
  for (const part of document.querySelectorAll("[data-for]")) /** @type {HTMLElement} */ (part).hidden = !is(/** @type {HTMLElement} */ (part).dataset.for ?? "");
  byId("privacy", HTMLElement).hidden = !rules.privacy;
  byId("privacy-off", HTMLElement).hidden = rules.privacy;
  if (now === whose && now) {
    if (line.state.phase === "live") void line.ask("authenticate", { token: identity.token }).catch(() => line.start());
    else line.start();
    poll.start();
    return;
  }
  if (whose) calling.forget();
  whose = now;
  data = null;
  for (const part of [past, blocks, fans, privacy, rates]) part.forget();
  const nobody = who === null;
  byId("work", HTMLElement).hidden = true;
  byId("first", HTMLElement).hidden = nobody;
  byId("neither", HTMLElement).hidden = nobody || is("fan") || is("creator");
  line.start();
  poll.start();
}

wireDialogs();
wireIdentity();
identity.addEventListener("change", follow);
setInterval(() => calling.phase !== "none" && panel.tick(), TICK_MS);
setInterval(() => (line.state.phase === "retrying" || poll.state.retryAt) && drawNotice(), 1_000);
follow();
