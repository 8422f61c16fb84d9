/**
 * Captions as lines on a screen: pure rules, no document, no clock.
 *
 * What it keeps: a line that a reader has begun does not move its words to another line because more is
 * said; only the last line grows, a correction is made where it stands. A line stays at least 0.3 s a
 * word (BBC subtitle guidelines) before it scrolls away, and text hangs on no longer than 7 s.
 */

/** @import {Subtitle} from "./messages.js" */

/**
 * One line on the screen; `id` stays the same while its words change.
 * @typedef {{id: number, segment: string, words: string[], final: boolean, shownAt: number | null}} Line
 */

export const LINE_MAX = 42;
export const SECONDS_PER_WORD = 0.3;
export const HANG_MIN_SECONDS = 3;
export const HANG_MAX_SECONDS = 7;
const PENDING_MAX = 4; // further behind than two blocks, older lines are left to the transcript

/** @param {string} text @returns {string[]} */
function split(text) {
  return text.split(/\s+/u).filter(Boolean);
}

/**
 * Where each old line break falls among the new words: at the word that began the line, if it is still
 * near there.
 * @param {string[]} before the old words
 * @param {string[]} after the new words
 * @param {number} position index in `before` of the word that begins a line
 * @returns {number} index in `after`
 */
export function moved(before, after, position) {
  const word = before[position]?.toLowerCase();
  for (const step of [0, -1, 1, -2, 2, -3, 3]) {
    const there = position + step;
    if (there > 0 && word !== undefined && after[there]?.toLowerCase() === word) return there;
  }
  return Math.min(position, after.length);
}

/**
 * Sets `text` into lines. Lines of the same segment that are already there keep their breaks; new ones
 * break where the text has a newline, and where nothing more fits.
 * @param {string} text
 * @param {string[][]} before lines as they stand, empty for a new segment
 * @param {(line: string) => boolean} fits
 * @returns {string[][]}
 */
export function setLines(text, before, fits) {
  const words = split(text);
  const wished = new Set();
  let index = 0;
  const parts = text.split("\n");
  // On a narrow screen the server's lines do not fit: its breaks would leave single words behind.
  if (parts.every(fits)) for (const part of parts) wished.add((index += split(part).length));
  const held = before.filter((line) => line.length > 0);
  const old = held.flat();
  const breaks = [];
  let position = 0;
  for (const line of held.slice(0, -1)) breaks.push(moved(old, words, (position += line.length)));

  /** @type {string[][]} */
  const lines = [];
  /** @type {string[]} */
  let line = [];
  for (const [at, word] of words.entries()) {
    const broken = breaks.includes(at) || (held.length === 0 && wished.has(at));
    if (line.length > 0 && ((broken && at > 0) || !fits([...line, word].join(" ")))) {
      lines.push(line);
      line = [];
    }
    line.push(word);
  }
  if (line.length > 0) lines.push(line);
  return lines;
}

/** The lines of one caption display: what is shown, what waits, and when something changes by itself. */
export class Roll {
  /**
   * @param {object} [options]
   * @param {number} [options.visible] lines on the screen
   * @param {(line: string) => boolean} [options.fits]
   * @param {boolean} [options.steady] show finals only
   */
  constructor({ visible = 2, fits = (line) => line.length <= LINE_MAX, steady = false } = {}) {
    this.visible = visible;
    this.fits = fits;
    this.steady = steady;
    /** @type {Line[]} */
    this.lines = [];
    this.shown = 0; // how many of `lines` have been shown
    this.changedAt = 0;
    this.next = 1;
    /** @type {{segment: string, start: number, end: number} | null} */
    this.interim = null;
  }

  /**
   * Takes a subtitle that was not taken before.
   * @param {Subtitle} subtitle
   * @param {number} now seconds
   */
  take(subtitle, now) {
    if (!subtitle.is_final && this.steady) return;
    const own = this.#rows(subtitle);
    const before = own.map((line) => line.words);
    const after = setLines(subtitle.text, before, this.fits);
    const changed = after.length !== before.length || after.some((words, i) => words.join(" ") !== before[i]?.join(" "));
    this.#place(subtitle, own, after);
    this.interim = subtitle.is_final ? null : { segment: subtitle.segment_id, start: subtitle.start, end: subtitle.end };
    if (changed || subtitle.is_final) this.changedAt = now;
    this.advance(now);
  }

  /**
   * The lines that this subtitle replaces: its own, or those of the interim that it covers in time.
   * @param {Subtitle} subtitle
   */
  #rows(subtitle) {
    const interim = this.interim;
    const covered = interim && subtitle.is_final && interim.start < subtitle.end && subtitle.start < interim.end;
    const segment = covered ? interim.segment : subtitle.segment_id;
    return this.lines.filter((line) => !line.final && (line.segment === segment || line.words.length === 0));
  }

  /**
   * @param {Subtitle} subtitle
   * @param {Line[]} own
   * @param {string[][]} after
   */
  #place(subtitle, own, after) {
    for (const [index, words] of after.entries()) {
      let line = own[index];
      if (!line) {
        line = { id: this.next++, segment: "", words: [], final: false, shownAt: null };
        this.lines.push(line);
      }
      line.segment = subtitle.segment_id;
      line.words = words;
      line.final = subtitle.is_final;
    }
    // A line that is no longer needed stays empty in its place, so that the one above does not come down.
    for (const line of own.slice(after.length)) {
      line.words = [];
    }
  }

  /**
   * Lets lines scroll in whose turn has come, and clears what hung on long enough.
   * @param {number} now seconds
   */
  advance(now) {
    if (this.lines.length > 0 && this.#clearAt() <= now) {
      this.lines = [];
      this.shown = 0;
      this.interim = null;
      return;
    }
    while (this.shown < this.lines.length) {
      const pending = this.lines.length - this.shown;
      if (pending <= PENDING_MAX && this.#leaveAt() > now) break;
      const line = this.lines[this.shown++];
      if (line) line.shownAt = now;
    }
    const gone = this.shown - this.visible;
    if (gone > 0) {
      this.lines.splice(0, gone);
      this.shown = this.visible;
    }
  }

  /** @returns {Line[]} what is on the screen */
  get screen() {
    return this.lines.slice(Math.max(0, this.shown - this.visible), this.shown);
  }

  /** @returns {number | null} when `advance` has something to do, in seconds; null when nothing is shown */
  deadline() {
    if (this.lines.length === 0) return null;
    return this.shown < this.lines.length ? this.#leaveAt() : this.#clearAt();
  }

  /** Empties the screen. */
  clear() {
    this.lines = [];
    this.shown = 0;
    this.interim = null;
  }

  /** When the uppermost line may make room. */
  #leaveAt() {
    const top = this.shown >= this.visible ? this.lines[this.shown - this.visible] : undefined;
    return top && top.shownAt !== null ? top.shownAt + SECONDS_PER_WORD * top.words.length : -Infinity;
  }

  /** When the screen is cleared, if nothing more is said. */
  #clearAt() {
    if (this.shown < this.lines.length) return Infinity;
    const words = this.lines.reduce((sum, line) => sum + line.words.length, 0);
    const hang = Math.min(HANG_MAX_SECONDS, Math.max(HANG_MIN_SECONDS, 1.5 + SECONDS_PER_WORD * words));
    const newest = Math.max(this.changedAt, ...this.lines.map((line) => line.shownAt ?? 0));
    return newest + hang;
  }
}
