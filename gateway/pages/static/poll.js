/** Asks again and again while the page is looked at: slower when nothing moves or nobody answers, never sooner than told. */

import { Problem } from "./api.js";

const AWAY_MAX_MS = 60_000;
const STILL_AFTER = 12;
const STILL_FACTOR = 3;

/**
 * `retryAt` is a time of `performance.now()`.
 * @typedef {{phase: "idle" | "loading" | "live" | "away" | "limited" | "refused", problem: Problem | null, retryAt: number}} PollState
 */

/**
 * @template T
 */
export class Poll {
  /**
   * @param {object} options
   * @param {(signal: AbortSignal) => Promise<T>} options.load
   * @param {(data: T) => void} options.onData
   * @param {(state: PollState) => void} options.onState
   * @param {number} options.everyMs
   * @param {number} [options.gapMs] at least so long between two questions that were answered
   * @param {(data: T) => number | null} [options.sooner] how long until something is known to change
   */
  constructor({ load, onData, onState, everyMs, gapMs = everyMs, sooner }) {
    this.load = load;
    this.onData = onData;
    this.onState = onState;
    this.everyMs = everyMs;
    this.gapMs = gapMs;
    this.sooner = sooner;
    this.wanted = false;
    /** @type {PollState} */
    this.state = { phase: "idle", problem: null, retryAt: 0 };
    this.failures = 0;
    this.unchanged = 0;
    this.last = "";
    this.askedAt = -Infinity;
    /** @type {AbortController | null} */
    this.asking = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => this.#looked());
    window.addEventListener("online", () => this.now());
  }

  /** Begins anew, as somebody else perhaps. */
  start() {
    this.stop();
    this.failures = 0;
    this.last = "";
    this.#enter("loading");
    void this.#ask();
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.asking = null;
    this.state = { phase: "idle", problem: null, retryAt: 0 };
  }

  /** Asks as soon as it may: not before what the server said, and while it answers not more often than usual. */
  now() {
    const { phase, retryAt } = this.state;
    this.unchanged = 0;
    this.wanted = this.asking !== null; // what is being asked may be older than the wish
    if (phase === "idle" || phase === "refused" || this.asking) return;
    const early = phase === "limited" ? retryAt : phase === "live" ? this.askedAt + this.gapMs : 0;
    this.#again(Math.max(0, early - performance.now()));
  }

  /** Somebody pressed a button: also after a refusal. */
  retry() {
    if (this.state.phase === "refused") this.start();
    else this.now();
  }

  #looked() {
    if (document.hidden) clearTimeout(this.timer);
    else this.now();
  }

  /** @param {number} waitMs */
  #again(waitMs) {
    clearTimeout(this.timer);
    if (!document.hidden) this.timer = setTimeout(() => void this.#ask(), waitMs);
  }

  async #ask() {
    const asking = new AbortController();
    this.asking = asking;
    this.wanted = false;
    this.askedAt = performance.now();
    try {
      const data = await this.load(asking.signal);
      if (asking.signal.aborted) return;
      this.asking = null;
      this.#answered(data);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.asking = null;
      this.#failed(error instanceof Problem ? error : new Problem("refused", String(error)));
    }
  }

  /** @param {T} data */
  #answered(data) {
    const text = JSON.stringify(data);
    this.unchanged = text === this.last ? this.unchanged + 1 : 0;
    this.last = text;
    this.failures = 0;
    this.onData(data);
    this.#enter("live");
    const pause = this.unchanged < STILL_AFTER ? this.everyMs : this.everyMs * STILL_FACTOR;
    const known = this.sooner?.(data) ?? null;
    if (this.wanted) this.now();
    else this.#again(known === null ? pause : Math.max(this.gapMs, Math.min(pause, known)));
  }

  /** @param {Problem} problem */
  #failed(problem) {
    if (problem.kind === "away" || problem.kind === "limited") {
      const told = problem.retryAfterSeconds * 1000;
      const usual = Math.min(AWAY_MAX_MS, this.everyMs * 2 ** this.failures) * (0.75 + Math.random() / 2);
      const wait = told ? told + Math.random() * 1000 : usual;
      this.failures += 1;
      this.#enter(problem.kind, problem, performance.now() + wait);
      this.#again(wait);
    } else {
      this.#enter("refused", problem);
    }
  }

  /** @param {PollState["phase"]} phase @param {Problem | null} [problem] @param {number} [retryAt] */
  #enter(phase, problem = null, retryAt = 0) {
    this.state = { phase, problem, retryAt };
    this.onState(this.state);
  }
}
