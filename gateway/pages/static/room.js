/** The page of one room: who is there, what they write, what they vote on; and what its host may do. */

import { Announcer } from "./announcer.js";
import { Problem, serverNow } from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { line } from "./display.js";
import { byId, facts, setState, show, wireDialogs } from "./dom.js";
import { identity, wireIdentity } from "./identity.js";
import { Letters } from "./letters.js";
import { copied } from "./links.js";
import { news } from "./news.js";
import { Owner } from "./owner.js";
import { People } from "./people.js";
import { Polls } from "./polls.js";
import { Question } from "./question.js";
import { closedNotice, leftNotice, refusalNotice, retryNotice, signInAgain } from "./refused.js";
import { MESSAGES_SHOWN_MAX } from "./snapshot.js";
import { Subtitles } from "./subtitles.js";
import { read, untilAndWhen } from "./times.js";
import { Tools } from "./tools.js";
import { Typists } from "./typists.js";

/** @import {RoomState} from "./connection.js" */
/** @import {Closure, PollEvent, RoomEvent, Snapshot} from "./snapshot.js" */

const here = facts();
const notice = byId("notice", HTMLElement);
const parts = byId("parts", HTMLElement);
const announcer = new Announcer(byId("told", HTMLElement));

const owner = new Owner(`stagedoor.owner.${here.room}`);
/** @type {Closure | ""} */
let closure = "";
/** Refusals after which nothing that was kept is sent. */
const OUT = new Set(["KICKED_OUT", "ROOM_CLOSED", "NOT_FOUND"]);
/** @type {Snapshot | null} */
let shown = null;
/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

const connection = new Connection({
  code: here.room, load, token: () => identity.token,
  onState: entered, onSnapshot: drawn, onEvent: happened, onTyping: (user) => typists.seen(user), onWarning: warned,
});
const letters = new Letters({
  place: `stagedoor.letters.${here.room}`,
  send: ({ text, clientId }) => connection.ask("room:message", { text, clientId }),
  onChange: (waiting) => chat.wait(waiting),
});
const chat = new Chat(
  { log: byId("log", HTMLElement), newest: byId("newest", HTMLButtonElement) },
  { again: (letter) => letters.again(letter), drop: (letter) => letters.drop(letter) },
);
const composer = new Composer({
  place: `stagedoor.draft.${here.room}`,
  send: (text) => letters.write(text) && (chat.toEnd(), true),
  typing: () => connection.tell("room:typing"),
});
const typists = new Typists(byId("typing", HTMLElement));
const people = new People(
  {
    list: byId("people", HTMLElement), count: byId("people-count", HTMLElement), rest: byId("people-rest", HTMLElement),
    filter: byId("people-filter", HTMLInputElement), box: byId("people-filter-box", HTMLElement),
  },
  { kick: (user) => void tools.kick(user), handOver: (user) => void tools.handOver(user) },
);
const tools = new Tools(connection);
const polls = new Polls(byId("polls", HTMLElement), { connection, me, now: serverNow });
const question = new Question(connection);
const subtitles = new Subtitles(here, { changed: drawLink });

/** @returns {string} */
function me() {
  return identity.claims?.sub ?? "";
}

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

/** @param {RoomState} state */
function entered(state) {
  clearInterval(countdown);
  const live = state.phase === "live";
  composer.enabled = live || state.phase === "retrying" || (state.phase === "connecting" && connection.snapshot !== null);
  switch (state.phase) {
    case "connecting":
      if (!state.attempt) {
        setState("connecting", "Joining…");
        show(notice, null);
      }
      break;
    case "live":
      setState("waiting", "In the room");
      show(notice, null);
      break;
    case "retrying":
      setState("retrying", "Reconnecting…");
      retry();
      countdown = setInterval(retry, 1000);
      break;
    case "refused": {
      const problem = state.problem ?? new Problem("refused", "");
      const first = problem.code === "NO_TOKEN";
      setState(first ? "idle" : "refused", first ? "Not signed in" : "Stopped");
      show(notice, refusalNotice(problem, () => connection.start()));
      break;
    }
    case "closed":
      setState("ended", "Closed");
      show(notice, closedNotice(closure, tools.closed));
      break;
    case "left":
      setState("ended", "You have left");
      show(notice, leftNotice(() => connection.start()));
      break;
    default:
  }
  if (live) {
    letters.begin();
    polls.begin();
  } else {
    letters.pause();
    typists.clear();
  }
  if (connection.snapshot && (state.phase === "closed" || state.phase === "left" || OUT.has(state.problem?.code ?? ""))) {
    letters.fail("You are no longer in the room.");
    polls.fail();
  }
  drawTools();
  polls.draw();
}

function retry() {
  show(notice, retryNotice(connection.state, connection.snapshot !== null, () => connection.retryNow()));
}

/** @param {Snapshot} snapshot @param {boolean} whole */
function drawn(snapshot, whole) {
  const { room, messages } = snapshot;
  document.title = `${line(room.name)} · Stagedoor`;
  byId("name", HTMLElement).textContent = line(room.name);
  byId("room", HTMLElement).hidden = false;
  byId("first", HTMLElement).hidden = true;
  const been = chat.offset;
  chat.me = me();
  const before = messages.filter(({ offset }) => offset > been).length;
  if (whole && been && before === MESSAGES_SHOWN_MAX) chat.note("More was written meanwhile; the newest messages follow.");
  chat.add(messages);
  people.show(snapshot, me());
  if (whole || shown?.polls !== snapshot.polls || shown.room !== room) {
    polls.draw();
    drawTools();
  }
  drawHint(snapshot);
  shown = snapshot;
}

/** @param {RoomEvent | PollEvent} event */
function happened(event) {
  const said = news(event, me());
  if (said) announcer.say(said);
  if (event.name === "room:message") typists.gone(event.payload.userId);
  else if (event.name === "room:participant_left" && event.payload.userId === me()) gone(event.payload.reason);
  else if (event.name === "room:host_changed") void connection.refresh(); // a host sees more of the polls than others
  else if (event.name === "room:closed") closure = event.payload.reason;
}

/** I am no longer in, by another page of mine or by the host. @param {import("./snapshot.js").Departure} reason */
function gone(reason) {
  if (reason === "kicked") connection.refuse(new Problem("refused", "", { code: "KICKED_OUT" }));
  else if (reason === "left") connection.end("left");
  else void connection.refresh();
}

/** @param {{code: string, expiresAt?: string}} warning */
function warned({ code, expiresAt }) {
  if (connection.state.phase !== "live") return;
  const ends = read(expiresAt);
  const when = ends === null ? "soon" : untilAndWhen(ends, serverNow());
  if (code === "token_expiring") show(notice, { kind: "warning", title: `Your sign-in runs out ${when}`, text: "The room stops for you then. Sign in again, and it goes on where it is.", code, actions: [{ label: "Sign in again", act: signInAgain }] });
  else show(notice, { kind: "warning", title: "The server warns of something this page does not know", text: "Reload the page: it may be older than the server.", code });
}

function drawTools() {
  const { snapshot } = connection;
  const leading = snapshot?.room.host_user_id === me();
  const live = connection.state.phase === "live";
  for (const button of [byId("ask", HTMLButtonElement), byId("close", HTMLButtonElement)]) {
    button.hidden = !leading || connection.state.phase === "closed";
    button.disabled = !live;
  }
  byId("leave", HTMLElement).hidden = !["live", "retrying", "connecting"].includes(connection.state.phase);
}

/** On a small screen the polls are behind another button: what waits there for me is said where I read. @param {Snapshot} snapshot */
function drawHint(snapshot) {
  const waiting = snapshot.polls.filter(({ state, my_vote: vote }) => state === "open" && !vote?.length);
  const [one] = waiting;
  byId("poll-hint", HTMLElement).hidden = !one;
  byId("poll-hint-text", HTMLElement).textContent = one ? line(one.question) : "";
  byId("part-polls", HTMLElement).textContent = waiting.length ? `Polls (${waiting.length})` : "Polls";
  byId("part-people", HTMLElement).textContent = `People (${snapshot.participants.length})`;
}

/** The link that brings others here; with the captions that are shown, so that they see them too. */
function drawLink() {
  const link = new URL(`/rooms/${encodeURIComponent(here.room)}`, location.origin);
  if (subtitles.channel) link.searchParams.set("captions", subtitles.channel);
  byId("link", HTMLInputElement).value = link.href;
}

async function leave() {
  byId("leave", HTMLButtonElement).disabled = true;
  try {
    await connection.ask("room:leave");
  } catch {
    // The connection is away: the server gives the place back by itself, two minutes after it was lost.
  }
  byId("leave", HTMLButtonElement).disabled = false;
  connection.end("left");
}

/** Shows nothing to nobody, and begins anew for somebody else; the same person with a new token goes on with what stands there. */
function follow() {
  const who = identity.claims;
  const now = who ? `${who.tenant}/${who.sub}` : "";
  byId("room", HTMLElement).hidden = !now || now !== owner.last || !connection.snapshot;
  if (!now) {
    connection.refuse(new Problem("token", "", { code: identity.expired ? "TOKEN_EXPIRED" : "NO_TOKEN" }));
    subtitles.again();
    return;
  }
  const { token } = identity;
  if (now !== owner.last) {
    connection.forget();
    for (const part of [chat, people, polls, letters, composer, question]) part.clear();
    announcer.hush();
    owner.last = now;
  } else if (connection.state.phase === "live" && token) {
    connection.authenticate(token).catch(() => connection.retryNow());
    return;
  }
  byId("first", HTMLElement).hidden = connection.snapshot !== null;
  connection.start();
  subtitles.again();
}

/** @param {string} name chat, polls or people: which of them a small screen shows */
function showPart(name) {
  byId("room", HTMLElement).dataset.part = name;
  const radio = parts.querySelector(`input[value="${name}"]`);
  if (radio instanceof HTMLInputElement) radio.checked = true;
  if (name === "chat" && chat.following) chat.toEnd();
}

function wire() {
  parts.addEventListener("change", (event) => event.target instanceof HTMLInputElement && showPart(event.target.value));
  byId("poll-hint-go", HTMLElement).addEventListener("click", () => {
    showPart("polls");
    byId("polls-title", HTMLElement).focus();
  });
  byId("ask", HTMLElement).addEventListener("click", () => question.open());
  byId("close", HTMLElement).addEventListener("click", () => void tools.close());
  byId("leave", HTMLElement).addEventListener("click", () => void leave());
  const button = byId("copy", HTMLButtonElement);
  button.addEventListener("click", () => void copied(button, byId("link", HTMLInputElement)));
}

wireDialogs();
wireIdentity();
wire();
drawLink();
identity.addEventListener("change", follow);
subtitles.wire();
follow();
