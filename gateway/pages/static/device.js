/**
 * Which of a user's devices this tab is. The name outlives a reload, so that a call goes on after it; it is not in
 * the storage while the page is there, because a tab that is duplicated would get a copy of it.
 */

import { freshKey } from "./once.js";

const PLACE = "stagedoor.device";

/** @returns {string | null} */
function taken() {
  try {
    const kept = sessionStorage.getItem(PLACE);
    sessionStorage.removeItem(PLACE);
    return kept;
  } catch {
    return null; // storage is off: a reload is another device
  }
}

export const device = taken() ?? freshKey();

window.addEventListener("pagehide", () => {
  try {
    sessionStorage.setItem(PLACE, device);
  } catch {
    // As above.
  }
});
window.addEventListener("pageshow", taken);
