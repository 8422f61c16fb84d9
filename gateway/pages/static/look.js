/** How the viewer wants captions to look; remembered in this browser. */

/** @typedef {{size: string, background: string, position: string, steady: boolean, announce: boolean, lang: string, volume: number}} Look */

const KEY = "stagedoor.look";
/** @type {Look} */
const FIRST = { size: "m", background: "box", position: "bottom", steady: false, announce: true, lang: "", volume: 80 };

export const SIZES = ["s", "m", "l", "xl"];
export const BACKGROUNDS = ["box", "shade", "none"];
export const POSITIONS = ["bottom", "middle", "top"];

/** @returns {Look} */
export function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...FIRST, ...kept };
  } catch {
    return { ...FIRST }; // someone else wrote there, or storage is off
  }
}

/** @param {Partial<Look>} change @returns {Look} */
export function remember(change) {
  const look = { ...remembered(), ...change };
  try {
    localStorage.setItem(KEY, JSON.stringify(look));
  } catch {
    // A private window without storage: the choice holds for this visit.
  }
  return look;
}

/** @param {HTMLElement} stage @param {Pick<Look, "size" | "background" | "position">} look */
export function apply(stage, look) {
  stage.dataset.size = SIZES.includes(look.size) ? look.size : FIRST.size;
  stage.dataset.background = BACKGROUNDS.includes(look.background) ? look.background : FIRST.background;
  stage.dataset.position = POSITIONS.includes(look.position) ? look.position : FIRST.position;
}
