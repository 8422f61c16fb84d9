"use strict";
// Tables that sort and are saved, plots that say their numbers. The page is complete without any of it.

const SVG = "http://www.w3.org/2000/svg";

/** @param {HTMLTableCellElement | undefined} cell @returns {number | string} what a cell is sorted by */
function valueOf(cell) {
  const value = cell?.dataset.value;
  return value === undefined ? (cell?.textContent ?? "") : Number(value);
}

/** @param {number} column @param {number} sign @returns {(a: HTMLTableRowElement, b: HTMLTableRowElement) => number} */
function by(column, sign) {
  return (a, b) => {
    const [one, two] = [valueOf(a.cells[column]), valueOf(b.cells[column])];
    const order = typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two));
    return sign * order;
  };
}

/** @param {HTMLTableElement} table */
function makeSortable(table) {
  const [body] = table.tBodies;
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.className = "sort";
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body?.replaceChildren(...[...body.rows].sort(by(column, up ? 1 : -1)));
    });
  });
}

/** @param {string} text @returns {string} a cell that a spreadsheet shows and does not run */
function quoted(text) {
  const safe = /^[=+@\t\r-]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** @param {HTMLTableElement} table @returns {string} it as CSV (RFC 4180) */
function csvOf(table) {
  const line = (/** @type {HTMLTableRowElement} */ row) => [...row.cells].map((cell) => quoted(cell.textContent ?? "")).join(",");
  return [...table.rows].map((row) => `${line(row)}\r\n`).join("");
}

/** @param {HTMLButtonElement} button */
function makeSaving(button) {
  const table = button.closest("section")?.querySelector("table");
  if (!table) return;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", csvOf(table)], { type: "text/csv;charset=utf-8" }));
    link.download = button.dataset.csv ?? "figures.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

/** @typedef {{left: number, top: number, at: string, value: string}} Point */

/** @param {SVGPolylineElement} line @returns {{name: string, points: Point[]}} */
function read(line) {
  const points = (line.dataset.points ?? "").split(";").map((point) => {
    const [left, top, at = "", value = ""] = point.split("|");
    return { left: Number(left), top: Number(top), at, value };
  });
  return { name: line.dataset.name ?? "", points };
}

/** @param {Point[]} points @param {number} left @returns {number} the place of the nearest */
function nearest(points, left) {
  let best = 0;
  points.forEach((point, place) => {
    if (Math.abs(point.left - left) < Math.abs((points[best]?.left ?? Infinity) - left)) best = place;
  });
  return best;
}

/** @param {string} name @param {Record<string, string | number>} attributes @returns {SVGElement} */
function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** @param {SVGSVGElement} chart shows the numbers below the pointer, or those that the arrow keys reach */
function makeTelling(chart) {
  const lines = [...chart.querySelectorAll("polyline")].map(read);
  const first = lines[0]?.points ?? [];
  const told = chart.parentElement?.querySelector(".told");
  const cursor = drawn("g", {});
  chart.append(cursor);
  let left = -1;

  /** @param {number} wanted */
  function tell(wanted) {
    left = wanted;
    const near = lines.flatMap(({ name, points }) => {
      const point = points[nearest(points, wanted)];
      return point ? [{ name, ...point }] : [];
    });
    const [one] = near;
    if (!one || !told) return;
    const { height } = chart.viewBox.baseVal;
    cursor.replaceChildren(
      drawn("line", { class: "cursor", x1: one.left, x2: one.left, y1: 12, y2: height - 40 }),
      ...near.map((point) => drawn("circle", { class: "mark", r: 3, cx: point.left, cy: point.top })),
    );
    const share = chart.dataset.x?.startsWith("share");
    const at = share ? `${Number((Number(one.at) * 100).toPrecision(6))} %` : `${one.at} s`;
    const values = near.map((point) => `${lines.length > 1 ? `${point.name} ` : ""}${point.value} ${chart.dataset.y}`);
    told.textContent = `${at}: ${values.join(" · ")}`;
  }

  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    tell(((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width);
  });
  chart.addEventListener("focus", () => {
    if (left < 0) tell(first.at(-1)?.left ?? 0);
  });
  chart.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = first[nearest(first, left) + step];
    if (!step || !next) return;
    event.preventDefault();
    tell(next.left);
  });
}

for (const table of document.querySelectorAll("table")) if (table.tHead) makeSortable(table);
for (const button of document.querySelectorAll("button")) if (button.dataset.csv) makeSaving(button);
for (const chart of document.querySelectorAll("svg")) if (chart.classList.contains("chart")) makeTelling(chart);
