/** A table that sorts by any column and exports what it shows; a row that has not changed is left alone. */

import { csv, save } from "./csv.js";
import { make } from "./dom.js";

/**
 * @template T
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: T) => string | number | null} value what is sorted by and exported
 * @property {(row: T) => string} [text] what is shown, if it is not the value
 * @property {(row: T) => Node} [cell] in place of the text
 * @property {string} [unit] of the value, for the export
 * @property {boolean} [number]
 * @property {boolean} [long] wraps
 * @property {boolean} [heading] names the row
 */

/**
 * @template T
 * @typedef {object} TableOptions
 * @property {string} label
 * @property {string} file name of the export, without its ending
 * @property {string} empty
 * @property {Column<T>[]} columns
 * @property {(row: T) => string} key
 * @property {(row: T) => HTMLButtonElement[]} [acts] buttons of a row
 */

/** @template T */
export class Table {
  /** @param {HTMLElement} place @param {TableOptions<T>} options */
  constructor(place, options) {
    this.options = options;
    /** @type {T[]} */
    this.rows = [];
    /** @type {{column: number, down: boolean} | null} as it came, until somebody sorts */
    this.order = null;
    /** @type {Map<string, {row: HTMLTableRowElement, mark: string}>} */
    this.drawn = new Map();
    this.body = make("tbody");
    this.heads = options.columns.map((column, at) => this.#head(column, at));
    const head = make("tr", {}, ...this.heads);
    if (options.acts) head.append(make("td"));
    this.table = make("table", { class: "worked" }, make("thead", {}, head), this.body);
    this.scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${options.label}: the table` }, this.table);
    this.empty = make("p", { class: "empty" }, options.empty);
    this.export = make("button", { type: "button", class: "quiet-button" }, "Export CSV");
    this.export.setAttribute("aria-label", `Export CSV: ${options.label}`);
    this.export.addEventListener("click", () => this.#save());
    place.replaceChildren(this.scroll, this.empty, make("div", { class: "row" }, this.export));
    this.show([]);
  }

  /** @param {T[]} rows */
  show(rows) {
    this.rows = rows;
    this.scroll.hidden = this.export.hidden = rows.length === 0;
    this.empty.hidden = rows.length > 0;
    this.#draw();
  }

  /** The rows in the order in which they stand. */
  get sorted() {
    const { order } = this;
    const column = order && this.options.columns[order.column];
    if (!order || !column) return this.rows;
    const way = order.down ? -1 : 1;
    return [...this.rows].sort((a, b) => way * compare(column.value(a), column.value(b)));
  }

  /** @param {Column<T>} column @param {number} at */
  #head(column, at) {
    const button = make("button", { type: "button", class: "sort" }, column.title);
    button.addEventListener("click", () => {
      const again = this.order?.column === at;
      this.order = { column: at, down: again ? !this.order?.down : column.number === true };
      this.heads.forEach((head, index) => {
        if (index === at) head.setAttribute("aria-sort", this.order?.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      this.#draw();
    });
    return make("th", { scope: "col", class: column.number ? "number" : "" }, button);
  }

  #draw() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const held = focused && this.body.contains(focused) ? [focused.closest("tr")?.dataset.key, focused.dataset.act] : null;
    /** @type {Map<string, {row: HTMLTableRowElement, mark: string}>} */
    const drawn = new Map();
    for (const row of this.sorted) {
      const key = this.options.key(row);
      const mark = JSON.stringify(this.options.columns.map((column) => [column.value(row), column.text?.(row)]));
      const before = this.drawn.get(key);
      drawn.set(key, before?.mark === mark ? before : { row: this.#row(row, key), mark });
    }
    const wanted = [...drawn.values()].map(({ row }) => row);
    if (wanted.length !== this.body.rows.length || wanted.some((row, at) => row !== this.body.rows[at])) this.body.replaceChildren(...wanted);
    this.drawn = drawn;
    if (held && document.activeElement !== focused) {
      const same = [...this.body.rows].find((row) => row.dataset.key === held[0]);
      const act = same?.querySelector(`[data-act="${held[1] ?? ""}"]`);
      if (act instanceof HTMLElement) act.focus();
      else this.scroll.focus(); // the row is gone: stay near
    }
  }

  /** @param {T} row @param {string} key */
  #row(row, key) {
    const cells = this.options.columns.map((column) => {
      const content = column.cell?.(row) ?? column.text?.(row) ?? String(column.value(row) ?? "–");
      return column.heading ? make("th", { scope: "row" }, content) : make("td", { class: column.number ? "number" : column.long ? "long" : "" }, content);
    });
    const line = make("tr", {}, ...cells);
    line.dataset.key = key;
    if (this.options.acts) line.append(make("td", { class: "acts" }, ...this.options.acts(row)));
    return line;
  }

  #save() {
    const { columns, file } = this.options;
    const rows = this.sorted.map((row) => columns.map((column) => column.value(row)));
    save(`${file}-${new Date().toISOString().slice(0, 16).replaceAll(":", "")}.csv`, csv([columns.map(({ title, unit }) => (unit ? `${title}, ${unit}` : title)), ...rows]));
  }
}

/** @param {string | number | null} a @param {string | number | null} b */
function compare(a, b) {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

/** @param {string} label @param {string} name says to screen readers which row it is of @param {() => void} act @param {string} [kind] */
export function rowButton(label, name, act, kind = "") {
  const button = make("button", { type: "button", class: `small-button ${kind}`.trim(), "data-act": label }, label, make("span", { class: "unseen" }, ` ${name}`));
  button.addEventListener("click", act);
  return button;
}
