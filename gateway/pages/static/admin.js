/** The page of an admin: figures and plots kept fresh, sessions to end, minutes to grant. */

import { Adjusting } from "./adjust.js";
import { Problem, ask } from "./api.js";
import { byId, show, wireDialogs } from "./dom.js";
import { identity, wireIdentity } from "./identity.js";
import { Overview } from "./overview.js";
import { Poll } from "./poll.js";
import { Sessions } from "./sessions.js";
import { Overrides, Trail } from "./trail.js";
import { teller } from "./trouble.js";

/** @import {Point, Stats} from "./overview.js" */
/** @import {Page} from "./sessions.js" */

const PATH = "/api/v1/admin/live-quotas";
const EVERY_MS = 6_000;
const TIMELINE_EVERY_MS = 60_000;

let whose = "";
let timelineAt = -Infinity;

const trail = new Trail();
const changed = () => {
  poll.now();
  void trail.load();
};
const overrides = new Overrides(changed);
const adjusting = new Adjusting({ changed, overridden: () => void overrides.load() });
/** @param {string} user */
const look = (user) => void adjusting.look(user);
const overview = new Overview(look);
const sessions = new Sessions({ changed, look });
const range = byId("range", HTMLSelectElement);

/** @typedef {{stats: Stats, page: Page | null, points: Point[] | null}} Fresh */

const poll = new Poll({
  load,
  onData: draw,
  onState: teller(byId("notice", HTMLElement), {
    signIn: "Sign in as an admin",
    kept: "The last figures stay here.",
    live: "Up to date",
    again: () => poll.retry(),
  }),
  everyMs: EVERY_MS,
  gapMs: 500,
});

/** @param {AbortSignal} signal @returns {Promise<Fresh>} */
async function load(signal) {
  const roles = identity.claims?.roles;
  if (roles && !roles.includes("admin")) {
    throw new Problem("forbidden", `This page is for admins, and ${identity.claims?.sub} is ${roles.join(", ")}. Your own minutes have a page of their own.`, { code: "NOT_ALLOWED" });
  }
  const due = performance.now() - timelineAt > TIMELINE_EVERY_MS;
  const [stats, page, timeline] = await Promise.all([
    ask(`${PATH}/system-stats`, { signal }),
    sessions.load(signal),
    due ? ask(`${PATH}/timeline?hours=${range.value}`, { signal }) : null,
  ]);
  if (timeline) timelineAt = performance.now();
  return { stats, page, points: timeline?.points ?? null };
}

/** @param {Fresh} fresh */
function draw({ stats, page, points }) {
  const first = byId("work", HTMLElement).hidden;
  byId("first", HTMLElement).hidden = true;
  byId("work", HTMLElement).hidden = false;
  overview.show(stats);
  sessions.show(page);
  if (points) overview.draw(points);
  if (first) {
    void trail.load();
    void overrides.load();
  }
}

/** Nothing of one admin's tenant stays on the page for somebody else. */
function follow() {
  const who = identity.claims;
  const now = who ? `${who.tenant}/${who.sub}` : "";
  if (!who || now !== whose) {
    if (whose && who) return location.reload();
    byId("work", HTMLElement).hidden = true;
    byId("first", HTMLElement).hidden = who === null;
    show(byId("degraded", HTMLElement), null);
  }
  if (who) whose = now;
  timelineAt = -Infinity;
  poll.start();
}

range.addEventListener("change", () => {
  timelineAt = -Infinity;
  poll.now();
});
wireDialogs();
wireIdentity();
identity.addEventListener("change", follow);
follow();
