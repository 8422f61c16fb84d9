/** Time plots with axes and units, by uPlot; the number under the pointer, or under the arrow keys, is told in words. */

import { make } from "./dom.js";

/** @typedef {typeof import("uplot")} Maker */
/** @typedef {InstanceType<Maker>} Drawing */

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour a custom property of the stylesheet
 * @property {number[]} [dash] so that lines differ by more than their colour
 * @property {(value: number) => string} text
 */

/** @typedef {{at: number[], values: number[][], stepSeconds: number}} Points `at` in seconds since the epoch; `values` by line */

/**
 * Brings the plotting module.
 * @param {{script: string, style: string}} address
 * @returns {Promise<Maker>} Throws an Error if it cannot be had.
 */
export async function plotting({ script, style }) {
  const known = /** @type {{uPlot?: Maker}} */ (globalThis);
  document.head.append(make("link", { rel: "stylesheet", href: style }));
  const loaded = make("script", { src: script });
  await new Promise((done, failed) => {
    loaded.addEventListener("load", done);
    loaded.addEventListener("error", () => failed(new Error("The plotting module could not be loaded.")));
    document.head.append(loaded);
  });
  if (!known.uPlot) throw new Error("The plotting module does not work in this browser.");
  return known.uPlot;
}

/** @param {string} name @returns {string} */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @param {number} at seconds @param {number} rangeSeconds @returns {string} */
function tick(at, rangeSeconds) {
  const date = new Date(at * 1000);
  const day = date.toLocaleDateString([], { day: "numeric", month: "short" });
  if (rangeSeconds > 3 * 86_400 || (date.getHours() === 0 && date.getMinutes() === 0)) return day;
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

export class TimePlot {
  /** @param {HTMLElement} place @param {{title: string, unit: string, lines: Line[], axis: (value: number) => string, sync: string}} options */
  constructor(place, options) {
    this.options = options;
    /** @type {Maker | null} */
    this.maker = null;
    /** @type {Drawing | null} */
    this.drawing = null;
    /** @type {Points} */
    this.points = { at: [], values: [], stepSeconds: 3600 };
    this.index = -1;
    /** @type {TimePlot[]} those that go along under the arrow keys */
    this.beside = [];
    this.canvas = make("div", { class: "plot", tabindex: "0", role: "group", "aria-label": `${options.title}: a plot. The left and right arrow keys go through the hours; the table below has the same numbers.` });
    this.told = make("p", { class: "plot-told", "aria-live": "polite" });
    const legend = make("p", { class: "legend hint" }, ...options.lines.map(({ label, colour: name, dash }) => {
      const key = make("span", { class: dash ? "key dashed" : "key", "aria-hidden": "true" });
      key.style.borderTopColor = `var(${name})`;
      return make("span", {}, key, label);
    }));
    place.append(make("figure", { class: "card" }, make("figcaption", {}, make("h3", {}, options.title), legend), this.canvas, this.told));
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    this.canvas.addEventListener("blur", () => this.#together(-1));
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** @param {Maker} maker */
  begin(maker) {
    this.maker = maker;
    this.#draw();
  }

  /** @param {Points} points */
  show(points) {
    this.points = points;
    if (this.drawing) this.drawing.setData(this.#data());
    else this.#draw();
    if (this.index >= points.at.length) this.#together(-1);
  }

  /** The last hour is as wide as the others: a point after it closes its step. */
  #data() {
    const { at, values, stepSeconds } = this.points;
    const end = (at.at(-1) ?? 0) + stepSeconds;
    const lines = this.options.lines.map((_, n) => [...(values[n] ?? []), values[n]?.at(-1) ?? 0]);
    return /** @type {import("uplot").AlignedData} */ ([[...at, end], ...lines]);
  }

  #draw() {
    const width = Math.floor(this.canvas.clientWidth);
    if (!this.maker || width < 40 || this.points.at.length === 0) return;
    this.drawing?.destroy();
    this.drawing = new this.maker(this.#options(width), this.#data(), this.canvas);
  }

  /** @param {number} width @returns {import("uplot").Options} */
  #options(width) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const style = { stroke: colour("--soft"), font: `${0.75 * rem}px system-ui, sans-serif`, ticks: { stroke: colour("--line"), width: 1 } };
    const stepped = this.maker?.paths.stepped?.({ align: 1 });
    const { lines, axis } = this.options;
    return {
      width, height: Math.round(11 * rem), legend: { show: false }, padding: [rem * 0.6, rem * 0.6, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: this.options.sync }, points: { show: false } },
      scales: { y: { range: (_, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...style, grid: { show: false }, space: 4.2 * rem, size: 2 * rem, values: (drawing, splits) => splits.map((at) => tick(at, (drawing.scales.x?.max ?? 0) - (drawing.scales.x?.min ?? 0))) },
        { ...style, grid: { stroke: colour("--line"), width: 1 }, size: (_, values) => (1.2 + 0.46 * Math.max(3, ...(values ?? []).map((value) => value.length))) * rem, space: 2 * rem, values: (_, splits) => splits.map(axis) },
      ],
      series: [
        {},
        ...lines.map(({ label, colour: name, dash }) => ({
          label, stroke: colour(name), width: 2, dash, points: { show: false }, ...(stepped ? { paths: stepped } : {}), ...(dash ? {} : { fill: `color-mix(in srgb, ${colour(name)} 16%, transparent)` }),
        })),
      ],
      hooks: { setCursor: [(drawing) => this.#pointed(drawing.cursor.left ?? -1, drawing)] },
    };
  }

  /** @param {number} left @param {Drawing} drawing */
  #pointed(left, drawing) {
    if (left < 0) return this.#write(-1);
    const seconds = drawing.posToVal(left, "x");
    const { at, stepSeconds } = this.points;
    this.#write(at.findIndex((start) => seconds >= start && seconds < start + stepSeconds));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.points.at.length - 1;
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: this.index < 0 ? last : this.index - 1, ArrowRight: this.index < 0 ? last : this.index + 1, Home: 0, End: last, Escape: -1 });
    const wanted = steps[event.key];
    if (wanted === undefined || last < 0) return;
    event.preventDefault();
    this.#together(event.key === "Escape" ? -1 : Math.min(last, Math.max(0, wanted)));
  }

  /** @param {number} index */
  #together(index) {
    for (const plot of [this, ...this.beside]) plot.#tell(index);
  }

  /** Moves the cursor to an hour; -1 takes it away. @param {number} index */
  #tell(index) {
    const { drawing } = this;
    const start = this.points.at[index];
    if (drawing) {
      const left = start === undefined ? -10 : drawing.valToPos(start + this.points.stepSeconds / 2, "x");
      drawing.setCursor({ left, top: start === undefined ? -10 : 10 });
    }
    this.#write(index);
  }

  /** @param {number} index */
  #write(index) {
    this.index = index;
    const start = this.points.at[index];
    if (start === undefined) {
      this.told.textContent = "";
      return;
    }
    const time = (/** @type {number} */ at) => new Date(at * 1000).toLocaleTimeString([], { timeStyle: "short" });
    const day = new Date(start * 1000).toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
    const values = this.options.lines.map(({ label, text }, n) => `${label} ${text(this.points.values[n]?.[index] ?? 0)}`);
    this.told.textContent = `${day}, ${time(start)}–${time(start + this.points.stepSeconds)}: ${values.join(" · ")}`;
  }
}
