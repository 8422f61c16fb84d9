/** The sound of a ring: two notes every three seconds, made here, for who wants it. Remembered in this browser. */

const KEY = "stagedoor.tone";
const EVERY_MS = 3_000;
const NOTES = /** @type {const} */ ([[0, 660], [0.22, 880]]);
const NOTE_SECONDS = 0.2;

export class Tone {
  /** @param {HTMLInputElement} box */
  constructor(box) {
    this.box = box;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.ringing = undefined;
    try {
      box.checked = localStorage.getItem(KEY) !== "off";
    } catch {
      // Storage is off: it rings.
    }
    box.addEventListener("change", () => {
      try {
        localStorage.setItem(KEY, box.checked ? "on" : "off");
      } catch {
        // The choice holds for this visit.
      }
      if (!box.checked) this.stop();
    });
  }

  start() {
    if (this.ringing !== undefined || !this.box.checked) return;
    this.context ??= new AudioContext();
    // It begins with the first press on the page where there was none yet; or never, if the ring is over by then.
    this.context.resume().then(() => this.#play(), () => {});
    this.ringing = setInterval(() => this.#play(), EVERY_MS);
  }

  stop() {
    clearInterval(this.ringing);
    this.ringing = undefined;
    void this.context?.close();
    this.context = null;
  }

  #play() {
    const { context } = this;
    if (!context || context.state !== "running") return;
    for (const [after, hertz] of NOTES) {
      const [from, until] = [context.currentTime + after, context.currentTime + after + NOTE_SECONDS];
      const note = new OscillatorNode(context, { frequency: hertz });
      const volume = new GainNode(context, { gain: 0 });
      volume.gain.linearRampToValueAtTime(0.15, from + 0.02);
      volume.gain.linearRampToValueAtTime(0, until);
      note.connect(volume).connect(context.destination);
      note.start(from);
      note.stop(until);
    }
  }
}
