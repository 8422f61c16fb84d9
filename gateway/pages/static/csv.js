/** Tables as CSV (RFC 4180) that a spreadsheet shows and does not run. */

/**
 * A text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection):
 * the user's name or a reason is whatever somebody typed. Numbers stay numbers.
 * @param {string | number | null | undefined} value
 * @returns {string}
 */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const safe = /^[\s\u00a0\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** @param {(string | number | null | undefined)[][]} rows the first one has the titles @returns {string} */
export function csv(rows) {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** @param {string} name of the file @param {string} text */
export function save(name, text) {
  // The mark tells spreadsheets that the text is UTF-8.
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
