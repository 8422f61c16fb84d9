/** What an admin sees at a glance: figures, totals, the plots and their numbers, what is degraded, who used most. */

import { byId, facts, make, show } from "./dom.js";
import { KINDS } from "./meters.js";
import { TimePlot, plotting } from "./plot.js";
import { Table, rowButton } from "./table.js";
import { WINDOWS, span } from "./times.js";

/** @import {Column} from "./table.js" */
/** @import {Window} from "./times.js" */

/** @typedef {Record<Window, number>} PerWindow */
/** @typedef {{user: string, subtitles_seconds: number, dubbing_seconds: number, cost: number}} TopUser */
/**
 * `minutes` are minutes with fractions, `cost` credits.
 * @typedef {{timestamp: string, active_sessions: number, sessions: Record<string, number>, minutes: {subtitles: PerWindow, dubbing: PerWindow},
 *   total_cost: number, cost: PerWindow, top_users: TopUser[], degraded: Record<string, string>}} Stats
 */
/** @typedef {{hour: string, subtitles_seconds: number, dubbing_seconds: number, cost: number, sessions: number}} Point */

/** @type {Record<string, string>} */
export const STATES = { ACTIVE: "Active", COMPLETED: "Completed", INTERRUPTED: "Interrupted", EXPIRED: "Expired", ENDED_BY_ADMIN: "Ended by an admin" };

/** @type {Record<string, [title: string, means: string]>} */
const DEGRADED = {
  redis: ["Redis is away", "Sessions go on. Rate limits count in this process alone until it is back."],
  database: ["The database is away", "Streams that are open go on for now; new ones are refused, and the figures here may be old."],
  disk: ["The disk is full", "Streams that are open go on for now; new ones are refused until there is room."],
};

/** @type {Column<{subtitles_seconds: number, dubbing_seconds: number, cost: number}>[]} */
const AMOUNTS = [
  { title: "Subtitles", unit: "seconds", number: true, value: (row) => row.subtitles_seconds, text: (row) => span(row.subtitles_seconds) },
  { title: "Dubbing", unit: "seconds", number: true, value: (row) => row.dubbing_seconds, text: (row) => span(row.dubbing_seconds) },
  { title: "Cost", unit: "credits", number: true, value: (row) => row.cost, text: (row) => money(row.cost) },
];

const WINDOW_NAMES = /** @type {Window[]} */ (Object.keys(WINDOWS));
const here = facts();

/** @param {number} credits @returns {string} */
export function money(credits) {
  return credits.toLocaleString([], { minimumFractionDigits: 2, maximumFractionDigits: credits !== 0 && Math.abs(credits) < 1 ? 4 : 2 });
}

/** @param {string} hour a window's key (2026-11-20T14, UTC) or RFC 3339 @returns {number} seconds since the epoch */
export function hourStart(hour) {
  return Date.parse(/T\d\d$/.test(hour) ? `${hour}:00:00Z` : hour) / 1000;
}

/** @param {Stats} stats */
function drawDegraded(stats) {
  const parts = Object.entries(stats.degraded ?? {});
  const said = parts.map(([part, reason]) => {
    const [title, means] = DEGRADED[part] ?? [`${part} is degraded`, ""];
    return { title, text: [means, reason && `(${reason})`].filter(Boolean).join(" ") };
  });
  const title = said.map((one) => one.title).join(" · ");
  show(byId("degraded", HTMLElement), parts.length ? { kind: "warning", title, text: said.map((one) => one.text).join(" "), code: `degraded: ${parts.map(([part]) => part).join(", ")}` } : null);
}

/** @param {Stats} stats */
function drawNow(stats) {
  const figures = [["Active sessions", String(stats.active_sessions)], ["Cost this month, credits", money(stats.total_cost)]];
  for (const [state, count] of Object.entries(stats.sessions ?? {})) {
    if (state !== "ACTIVE" && count) figures.push([`${STATES[state] ?? state} today`, String(count)]);
  }
  const list = figures.map(([name, value]) => make("div", {}, make("dt", {}, name ?? ""), make("dd", {}, value ?? "")));
  byId("now", HTMLElement).replaceChildren(...list);
  /** @type {[string, PerWindow, (value: number) => string][]} */
  const rows = [
    [KINDS.subtitles, stats.minutes.subtitles, (minutes) => span(minutes * 60)],
    [KINDS.dubbing, stats.minutes.dubbing, (minutes) => span(minutes * 60)],
    ["Cost, credits", stats.cost, money],
  ];
  const lines = rows.map(([name, values, text]) => make("tr", {}, make("th", { scope: "row" }, name), ...WINDOW_NAMES.map((window) => make("td", { class: "number" }, text(values[window])))));
  byId("totals", HTMLTableElement).tBodies[0]?.replaceChildren(...lines);
}

export class Overview {
  /** @param {(user: string) => void} look shows a user's minutes */
  constructor(look) {
    this.top = this.#topUsers(look);
    this.points = this.#pointTable();
    const place = byId("plots", HTMLElement);
    /** @type {TimePlot[]} */
    this.plots = [];
    if (here.plot) this.#withPlots(place, here.plot);
    else this.#withoutPlots("This installation lacks the plotting module (uPlot). Whoever runs this server brings it with make install while it is online, and restarts it.");
  }

  /** @param {HTMLElement} place @param {{script: string, style: string}} address */
  #withPlots(place, address) {
    const seconds = (/** @type {number} */ value) => span(value * 60);
    this.plots = [
      new TimePlot(place, { title: "Minutes, by hour", unit: "min", sync: "hours", axis: (value) => `${value.toLocaleString()} min`, lines: [{ label: "Subtitles", colour: "--accent", text: seconds }, { label: "Dubbing", colour: "--second", dash: [6, 4], text: seconds }] }),
      new TimePlot(place, { title: "Cost, in credits by hour", unit: "credits", sync: "hours", axis: (value) => value.toLocaleString(), lines: [{ label: "Credits", colour: "--accent", text: money }] }),
    ];
    for (const plot of this.plots) plot.beside = this.plots.filter((other) => other !== plot);
    plotting(address).then(
      (maker) => this.plots.forEach((plot) => plot.begin(maker)),
      (error) => this.#withoutPlots(`${error.message} Reload the page to try again.`),
    );
  }

  /** @param {string} why */
  #withoutPlots(why) {
    byId("plots", HTMLElement).replaceChildren();
    show(byId("plot-note", HTMLElement), { kind: "warning", title: "The plots are missing", text: `${why} The numbers are in the table.` });
    byId("points-box", HTMLDetailsElement).open = true;
  }

  /** @param {Stats} stats */
  show(stats) {
    drawDegraded(stats);
    drawNow(stats);
    this.top.show(stats.top_users);
  }

  /** @param {Point[]} points the oldest first */
  draw(points) {
    const at = points.map(({ hour }) => hourStart(hour));
    const [minutes, cost] = this.plots;
    minutes?.show({ at, stepSeconds: 3600, values: [points.map((point) => point.subtitles_seconds / 60), points.map((point) => point.dubbing_seconds / 60)] });
    cost?.show({ at, stepSeconds: 3600, values: [points.map((point) => point.cost)] });
    this.points.show([...points].reverse());
  }

  #pointTable() {
    /** @type {Column<Point>[]} */
    const columns = [
      { title: "Hour", heading: true, value: ({ hour }) => new Date(hourStart(hour) * 1000).toISOString(), text: ({ hour }) => new Date(hourStart(hour) * 1000).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }) },
      ...AMOUNTS,
      { title: "Sessions", number: true, value: ({ sessions }) => sessions },
    ];
    return new Table(byId("points", HTMLElement), { label: "Minutes and cost by hour", file: "stagedoor-hours", empty: "No hours yet.", columns, key: ({ hour }) => hour });
  }

  /** @param {(user: string) => void} look */
  #topUsers(look) {
    /** @type {Column<TopUser>[]} */
    const columns = [{ title: "User", heading: true, value: ({ user }) => user }, ...AMOUNTS];
    return new Table(byId("top", HTMLElement), {
      label: "Who cost most this month", file: "stagedoor-users", empty: "Nobody used anything this month.", columns,
      key: ({ user }) => user, acts: ({ user }) => [rowButton("Minutes", `of ${user}`, () => look(user))],
    });
  }
}
