/** The page of one's own minutes: bars per window, kept fresh while it is looked at. */

import { ask, serverNow } from "./api.js";
import { byId, facts, show, wireDialogs } from "./dom.js";
import { identity, wireIdentity } from "./identity.js";
import { KINDS, Meters, spent, untouched } from "./meters.js";
import { Poll } from "./poll.js";
import { read, untilAndWhen, windowName } from "./times.js";
import { teller } from "./trouble.js";

/** @import {MediaKind, Usage} from "./meters.js" */
/** @import {Notice} from "./dom.js" */

const EVERY_MS = 5_000;
const REDRAW_MS = 10_000;

const here = facts();
const meters = new Meters(byId("meters", HTMLElement), here.warning);
/** @type {Usage | null} */
let usage = null;
let whose = "";

const poll = new Poll({
  load: (signal) => ask("/api/v1/live/quota/my-usage", { signal }),
  onData: draw,
  onState: teller(byId("notice", HTMLElement), {
    signIn: "Sign in to see your minutes",
    kept: "The last figures stay here.",
    live: "Up to date",
    again: () => poll.retry(),
  }),
  everyMs: EVERY_MS,
  sooner,
});

/** @param {Usage} fresh @returns {number | null} ms until the next window begins */
function sooner(fresh) {
  const at = read(fresh.subtitles.hour.resets_at);
  return at === null ? null : Math.max(0, at - serverNow()) + 500;
}

/** @param {Usage} fresh */
function draw(fresh) {
  usage = fresh;
  redraw();
  byId("as-of", HTMLElement).textContent = `As of ${new Date().toLocaleTimeString([], { timeStyle: "medium" })}.`;
}

function redraw() {
  if (!usage) return;
  const now = serverNow();
  byId("first", HTMLElement).hidden = true;
  byId("figures", HTMLElement).hidden = false;
  byId("plan-name", HTMLElement).textContent = usage.plan;
  byId("untouched", HTMLElement).hidden = !untouched(usage);
  meters.show(usage, now);
  show(byId("spent", HTMLElement), spentNotice(usage, now));
}

/** @param {Usage} fresh @param {number} now @returns {Notice | null} */
function spentNotice(fresh, now) {
  const kinds = /** @type {MediaKind[]} */ (Object.keys(KINDS)).filter((kind) => spent(fresh[kind]));
  const [first] = kinds;
  if (!first) return null;
  const said = kinds.map((kind) => {
    const over = spent(fresh[kind]);
    const what = kind === "subtitles" ? "Captions stop" : "There is no voice";
    const rest = kind === "dubbing" && kinds.length === 1 ? "; captions go on from your minutes of subtitles" : "";
    return `${what} until more minutes come${over?.at ? `, ${untilAndWhen(over.at, now)}` : ""}${rest}.`;
  });
  const title = kinds.length > 1 ? "Your minutes are used up" : `Your minutes of ${first} are used up ${windowName(spent(fresh[first])?.window ?? "")}`;
  return { kind: "warning", title, text: `${said.join(" ")} If you need them sooner, ask whoever runs this server for extra minutes or a larger plan.` };
}

/** Begins anew for somebody else; a new token of the same person goes on with what stands there. */
function follow() {
  const who = identity.claims;
  const now = who ? `${who.tenant}/${who.sub}` : "";
  if (who ? now !== whose : true) {
    usage = null;
    meters.clear();
    show(byId("spent", HTMLElement), null);
    byId("figures", HTMLElement).hidden = true;
    byId("first", HTMLElement).hidden = who === null;
  }
  whose = now;
  poll.start();
}

wireDialogs();
wireIdentity();
identity.addEventListener("change", follow);
setInterval(redraw, REDRAW_MS);
follow();
