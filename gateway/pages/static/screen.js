/** Draws a `Roll` into a stage: changes only the lines that changed, and scrolls only when a line comes. */

import { Roll, LINE_MAX } from "./captions.js";
import { direction, make, soon } from "./dom.js";

/** @import {Subtitle} from "./messages.js" */

const NARROW = 32; // characters: below this, two lines hold too little and a third is shown

export class Screen {
  /** @param {HTMLElement} stage */
  constructor(stage) {
    this.stage = stage;
    // Not for screen readers: the transcript is their live region, and it holds finals only.
    this.box = make("div", { class: "captions", "aria-hidden": "true" });
    stage.append(this.box);
    this.roll = new Roll({ fits: (line) => this.#fits(line) });
    /** @type {Map<number, HTMLElement>} */
    this.drawn = new Map();
    this.pen = /** @type {CanvasRenderingContext2D} */ (make("canvas").getContext("2d"));
    this.width = Infinity;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.asked = false;
    new ResizeObserver(() => this.measure()).observe(stage);
    this.measure();
  }

  /** Learns anew how much fits on a line: after the size of the window or of the text changed. */
  measure() {
    const style = getComputedStyle(this.box);
    this.pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const size = parseFloat(style.fontSize);
    this.width = Math.max(60, this.box.clientWidth - 0.7 * size);
    const characters = this.width / (this.pen.measureText("the quick brown fox jumps over").width / 30);
    const room = Math.floor((this.stage.clientHeight * 0.8) / (size * 1.38));
    this.roll.visible = characters < NARROW && room >= 3 ? 3 : 2;
    this.#draw();
  }

  /** @param {boolean} on finals only */
  set steady(on) {
    this.roll.steady = on;
  }

  /** @param {Subtitle} subtitle */
  take(subtitle) {
    this.box.lang = subtitle.lang;
    this.box.dir = direction(subtitle.lang);
    this.roll.take(subtitle, performance.now() / 1000);
    this.#later();
  }

  clear() {
    this.roll.clear();
    this.#later();
  }

  /** @param {string} line */
  #fits(line) {
    return line.length <= LINE_MAX && this.pen.measureText(line).width <= this.width;
  }

  /** Several messages of one read are drawn once. */
  #later() {
    if (this.asked) return;
    this.asked = true;
    soon(() => {
      this.asked = false;
      this.#draw();
    });
  }

  #draw() {
    const now = performance.now() / 1000;
    this.roll.advance(now);
    const lines = this.roll.screen;
    const kept = new Set(lines.map((line) => line.id));
    const before = this.drawn.size;
    let scrolled = false;
    for (const [id, element] of this.drawn) {
      if (kept.has(id)) continue;
      element.remove();
      this.drawn.delete(id);
      scrolled = true;
    }
    for (const line of lines) {
      let element = this.drawn.get(line.id);
      if (!element) {
        element = make("div", { class: "caption-line" });
        this.box.append(element);
        this.drawn.set(line.id, element);
      }
      const text = line.words.join(" ");
      if (element.textContent !== text) element.textContent = text;
      element.classList.toggle("interim", !line.final);
    }
    if (scrolled && before && lines.length && !this.still.matches) this.#scroll();
    clearTimeout(this.timer);
    const deadline = this.roll.deadline();
    if (deadline !== null) this.timer = setTimeout(() => this.#draw(), Math.max(20, (deadline - now) * 1000));
  }

  #scroll() {
    for (const element of this.drawn.values()) {
      element.animate([{ transform: "translateY(100%)" }, { transform: "none" }], { duration: 140, easing: "ease-out" });
    }
  }
}
