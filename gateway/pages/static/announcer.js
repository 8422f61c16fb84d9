/**
 * Says in a live region what happened, without flooding it: what comes while something was just said is put
 * together and said as one, at most once in a while.
 */

const GAP_MS = 4_000;
const TOGETHER_MS = 150; // what happens at one moment is said as one
const CLEAR_MS = 20_000;

/** @typedef {{kind: string, text: string, several?: (count: number) => string}} Said `several` is for more than one of a kind */

export class Announcer {
  /** @param {HTMLElement} place a polite live region @param {{gapMs?: number}} [options] */
  constructor(place, { gapMs = GAP_MS } = {}) {
    this.place = place;
    this.gapMs = gapMs;
    /** @type {Map<string, {last: Said, count: number}>} */
    this.waiting = new Map();
    this.saidAt = -Infinity;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.speaking = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.clearing = undefined;
  }

  /** @param {Said} said */
  say(said) {
    const count = (this.waiting.get(said.kind)?.count ?? 0) + 1;
    this.waiting.delete(said.kind); // the newest kind is said last
    this.waiting.set(said.kind, { last: said, count });
    this.speaking ??= setTimeout(() => this.#speak(), Math.max(TOGETHER_MS, this.saidAt + this.gapMs - performance.now()));
  }

  /** Forgets what is not said yet. */
  hush() {
    this.waiting.clear();
    clearTimeout(this.speaking);
    this.speaking = undefined;
    this.place.textContent = "";
  }

  #speak() {
    const texts = [...this.waiting.values()].map(({ last, count }) => (count > 1 && last.several ? last.several(count) : last.text));
    this.waiting.clear();
    this.speaking = undefined;
    this.saidAt = performance.now();
    this.place.textContent = texts.join(" ");
    clearTimeout(this.clearing);
    // So that nobody finds it there long after.
    this.clearing = setTimeout(() => (this.place.textContent = ""), CLEAR_MS);
  }
}
