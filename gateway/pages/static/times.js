/** Lengths of time and moments as a person reads them; windows are named here too. */

/** @typedef {"hour" | "day" | "month"} Window */

/** @type {Record<Window, string>} */
export const WINDOWS = { hour: "This hour", day: "Today", month: "This month" };

/** @param {string} name @returns {string} inside a sentence: "for this hour" */
export function windowName(name) {
  return (WINDOWS[/** @type {Window} */ (name)] ?? "this window").toLowerCase();
}

/** @param {number} seconds @returns {string} 45 s, 12 min 05 s, 90 min, 3 h 05 min */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes === 0) return `${rest} s`;
  if (minutes < 120) return rest ? `${minutes} min ${String(rest).padStart(2, "0")} s` : `${minutes} min`;
  const [hours, more] = [Math.floor(minutes / 60), minutes % 60];
  return more ? `${hours} h ${String(more).padStart(2, "0")} min` : `${hours} h`;
}

/** @param {number} at ms since the epoch @param {number} now @returns {string} in 23 min, in 5 h, in 9 days */
export function until(at, now) {
  const minutes = Math.ceil((at - now) / 60_000);
  if (minutes <= 0) return "now";
  if (minutes === 1) return "in a minute";
  if (minutes < 90) return `in ${minutes} min`;
  if (minutes < 48 * 60) return `in ${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `in ${Math.round(minutes / 1440)} days`;
}

/** @param {number} at @param {number} now @returns {string} the local time, with its day unless that is today */
export function moment(at, now) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "–";
  if (date.toDateString() === new Date(now).toDateString()) return date.toLocaleTimeString([], { timeStyle: "short" });
  return date.toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** @param {number} at @param {number} now @returns {string} in 23 min (15:00) */
export function untilAndWhen(at, now) {
  return `${until(at, now)} (${moment(at, now)})`;
}

/** @param {string | undefined} text RFC 3339 @returns {number | null} ms since the epoch */
export function read(text) {
  const at = text ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
