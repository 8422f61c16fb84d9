/** The first page: signs in, opens a channel, and keeps the list of live channels fresh. */

import { byId, facts, languageName, make, wireDialogs } from "./dom.js";
import { identity, wireIdentity } from "./identity.js";

const REFRESH_MS = 5_000;

/** @typedef {{channel_id: string, state?: string, source_lang: string, viewers: number, languages?: string[]}} Row */

const here = facts();

function wireOpen() {
  const form = document.getElementById("open");
  if (!(form instanceof HTMLFormElement)) return;
  const field = byId("channel", HTMLInputElement);
  const remembered = localStorage.getItem("stagedoor.channel");
  if (remembered && /^[\w-]{1,64}$/.test(remembered)) field.value = remembered;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const to = event.submitter?.getAttribute("value") === "watch" ? "watch" : "studio";
    localStorage.setItem("stagedoor.channel", field.value);
    location.assign(`/${to}/${encodeURIComponent(field.value)}`);
  });
}

/** @param {Row} row */
function drawRow(row) {
  const tags = (row.languages ?? []).map((lang) => make("span", { class: "tag" }, languageName(lang)));
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, make("a", { href: `/watch/${encodeURIComponent(row.channel_id)}` }, row.channel_id)),
    make("td", {}, languageName(row.source_lang)),
    make("td", { class: "number" }, String(row.viewers)),
    make("td", {}, ...(tags.length ? tags : ["–"])),
    make("td", {}, row.state === "paused" ? "speaker away" : "live"),
  );
}

/** @param {Row[]} rows */
function draw(rows) {
  const place = byId("channels", HTMLElement);
  if (rows.length === 0) {
    place.replaceChildren(make("p", { class: "empty" }, "Nobody is speaking right now. Open the studio above, and the channel shows up here."));
    return;
  }
  const head = make("tr");
  for (const title of ["Channel", "Spoken", "Viewers", "Reading in", "State"]) {
    head.append(make("th", { scope: "col", class: title === "Viewers" ? "number" : "" }, title));
  }
  const body = make("tbody", {}, ...rows.map(drawRow));
  const table = make("table", {}, make("thead", {}, head), body);
  const focused = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.pathname : "";
  place.replaceChildren(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Live channels" }, table));
  for (const link of place.querySelectorAll("a")) if (link.pathname === focused) link.focus();
}

/** In development the server writes the list into the page itself; elsewhere the API tells those signed in. */
async function refresh() {
  if (document.hidden) return;
  const token = identity.token;
  if (token && !here.development) {
    const response = await fetch("/api/v1/live/channels", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
    if (!response.ok) return;
    const body = /** @type {{channels?: Row[]}} */ (await response.json());
    draw(body.channels ?? []);
  } else if (here.development) {
    const response = await fetch("/", { cache: "no-store" });
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const id of ["load", "channels"]) {
      const part = fresh.getElementById(id);
      if (part && part.innerHTML !== byId(id, HTMLElement).innerHTML) byId(id, HTMLElement).replaceChildren(...part.childNodes);
    }
  }
}

async function keepFresh() {
  for (;;) {
    await new Promise((done) => setTimeout(done, REFRESH_MS));
    await refresh().catch(() => {}); // the server is away: what stands there stays until it is back
  }
}

wireDialogs();
if (here.page === "home") {
  wireOpen();
  wireIdentity();
  identity.addEventListener("change", () => void refresh().catch(() => {}));
  void refresh().catch(() => {});
  void keepFresh();
}
