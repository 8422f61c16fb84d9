/** The page of rooms: create one, join by a code, and those that are there for whoever is signed in. */

import { Problem, ask } from "./api.js";
import { confirmed } from "./confirm.js";
import { called, line } from "./display.js";
import { byId, facts, make, wireDialogs } from "./dom.js";
import { askToSignIn, identity, wireIdentity } from "./identity.js";
import { Once } from "./once.js";
import { Poll } from "./poll.js";
import { moment, read } from "./times.js";
import { teller } from "./trouble.js";

/**
 * @typedef {{id: string, room_code: string, name: string, host_user_id: string, max_participants: number, is_private: boolean,
 *   is_active: boolean, participants: number, is_owner: boolean, created_at: string, closed_at?: string | null}} Row
 */
/** @typedef {{data: Row[], next_cursor: string | null}} Page */
/** @typedef {"mine" | "public"} Scope */

const EVERY_MS = 10_000;
const GAP_MS = 1_000;
const PAGE = 50;
const PAGE_MAX = 200;

const here = facts();
const once = new Once("stagedoor.create-room");
const SCOPES = /** @type {const} */ (["mine", "public"]);
/** @type {Record<Scope, number>} */
const limits = { mine: PAGE, public: PAGE };
let whose = "";

const poll = new Poll({
  load: async (signal) => await Promise.all(SCOPES.map((scope) => /** @type {Promise<Page>} */ (ask(`/api/rooms?scope=${scope}&limit=${limits[scope]}`, { signal })))),
  onData: ([mine, open]) => {
    if (!mine || !open) return;
    const known = new Set(mine.data.map(({ id }) => id));
    draw("mine", mine);
    draw("public", { ...open, data: open.data.filter(({ id }) => !known.has(id)) });
  },
  onState: teller(byId("notice", HTMLElement), {
    signIn: "Sign in to see your rooms and to create one",
    kept: "The last list stays here.",
    live: "Up to date",
    again: () => poll.retry(),
  }),
  everyMs: EVERY_MS,
  gapMs: GAP_MS,
});

/** @type {Record<Scope, string>} */
const EMPTY = {
  mine: "You are in no room yet. Create one above and send its link, or join one by its code.",
  public: "No other room is open to everybody here.",
};

/** @param {Scope} scope @param {Page} page */
function draw(scope, { data, next_cursor: next }) {
  const place = byId(scope, HTMLElement);
  if (data.length === 0) {
    place.replaceChildren(make("p", { class: "empty" }, EMPTY[scope]));
    return;
  }
  const focused = document.activeElement?.getAttribute("data-key");
  place.replaceChildren(make("ul", { class: "plain room-list" }, ...data.map((row) => card(row, scope))));
  if (next && limits[scope] < PAGE_MAX) {
    const more = make("button", { type: "button", "data-key": `more-${scope}` }, "Show more");
    more.addEventListener("click", () => {
      limits[scope] = PAGE_MAX;
      poll.now();
    });
    place.append(more);
  } else if (next) {
    place.append(make("p", { class: "hint" }, `The ${data.length} newest are shown.`));
  }
  if (focused) /** @type {HTMLElement | null} */ (place.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {Row} row @param {Scope} scope */
function card(row, scope) {
  const name = make("bdi", {}, line(row.name) || row.room_code);
  const title = row.is_active ? make("a", { href: `/rooms/${encodeURIComponent(row.room_code)}`, "data-key": `${scope}-${row.id}` }, name) : make("b", {}, name);
  const tags = [];
  if (row.is_owner) tags.push(make("span", { class: "tag" }, "yours"));
  if (!row.is_active) tags.push(make("span", { class: "tag ended" }, "closed"));
  else if (!row.is_private && scope === "mine") tags.push(make("span", { class: "tag ended" }, "listed"));
  const at = read(row.is_active ? row.created_at : (row.closed_at ?? undefined));
  const facts = [
    make("code", {}, row.room_code),
    ...(row.is_active ? [`${row.participants} of ${row.max_participants} in`] : []),
    ...(row.is_owner ? [] : [make("span", {}, "host ", make("bdi", {}, called(row.host_user_id)))]),
    ...(at === null ? [] : [`${row.is_active ? "since" : "until"} ${moment(at, Date.now())}`]),
  ];
  const item = make("li", {}, make("div", { class: "room-row" }, make("p", { class: "room-name" }, title, " ", ...tags), make("p", { class: "hint" }, ...facts.flatMap((fact, n) => (n ? [" · ", fact] : [fact])))));
  if (row.is_owner && row.is_active && scope === "mine") {
    const end = make("button", { type: "button", class: "small-button danger", "data-key": `close-${row.id}` }, "Close…", make("span", { class: "unseen" }, ` ${line(row.name)}`));
    end.addEventListener("click", () => void close(row));
    item.append(end);
  }
  return item;
}

/** @param {Row} row */
async function close(row) {
  const sure = await confirmed({ title: "Close this room?", act: "Close the room", text: `“${line(row.name)}”: everybody is sent out, open polls are counted, and nobody can come in any more.` });
  if (!sure) return;
  const note = byId("mine-note", HTMLElement);
  try {
    await ask(`/api/rooms/${encodeURIComponent(row.id)}/close`, { method: "POST", body: {} });
    note.textContent = `“${line(row.name)}” is closed.`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    note.textContent = `“${line(row.name)}” is not closed: ${error.message}`;
  }
  poll.now();
}

/** @param {HTMLFormElement} form */
async function create(form) {
  const problem = /** @type {HTMLElement} */ (form.querySelector(".problem"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button.primary"));
  const values = new FormData(form);
  problem.hidden = true;
  if (!identity.token) return askToSignIn();
  button.disabled = true;
  try {
    const { data } = await once.post("/api/rooms/create", {
      name: String(values.get("name")), max_participants: Number(values.get("size")), is_private: values.get("listed") !== "on",
    });
    location.assign(`/rooms/${encodeURIComponent(data.room_code)}`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
  } finally {
    button.disabled = false;
  }
}

/** Whose plan has no rooms is told so before they write one. */
function drawPlan() {
  const plans = here.plans ?? {};
  const plan = plans[identity.claims?.plan ?? ""];
  const may = !plan || plan.rooms;
  byId("create", HTMLElement).hidden = !may;
  const place = byId("may-not", HTMLElement);
  place.hidden = may;
  if (!plan || may) return;
  const others = Object.values(plans).filter(({ rooms }) => rooms).map(({ name }) => name);
  place.replaceChildren(
    make("p", {}, `Your plan, ${plan.name}, lets you join rooms, and not create them.`),
    make("p", { class: "hint" }, others.length ? `The plans that can: ${others.join(", ")}. Ask whoever runs this server for one of them, or somebody who has one to create the room for you.` : "No plan of this server can."),
  );
}

/** Begins anew for somebody else; a new token of the same person goes on with what stands there. */
function follow() {
  const who = identity.claims;
  const now = who ? `${who.tenant}/${who.sub}` : "";
  drawPlan();
  if (now !== whose || !now) {
    for (const scope of SCOPES) byId(scope, HTMLElement).replaceChildren(make("p", { class: "empty" }, now ? "Fetching…" : "Sign in to see them."));
  }
  whose = now;
  poll.start();
}

wireDialogs();
wireIdentity();
const form = byId("create", HTMLFormElement);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void create(form);
});
identity.addEventListener("change", follow);
follow();
