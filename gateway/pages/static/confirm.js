/** Asks once before something that cannot be taken back. */

import { byId } from "./dom.js";

/**
 * @param {{title: string, text: string, act: string, reason?: boolean}} question
 * @returns {Promise<{reason: string} | null>} null where it was thought better of
 */
export function confirmed({ title, text, act, reason = false }) {
  const dialog = byId("confirm", HTMLDialogElement);
  const field = byId("confirm-reason", HTMLInputElement);
  byId("confirm-title", HTMLElement).textContent = title;
  byId("confirm-text", HTMLElement).textContent = text;
  byId("confirm-yes", HTMLElement).textContent = act;
  byId("confirm-reason-box", HTMLElement).hidden = !reason;
  field.value = "";
  dialog.returnValue = "";
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes" ? { reason: field.value.trim() } : null), { once: true });
    dialog.showModal();
    byId("confirm-no", HTMLElement).focus(); // the harmless answer is under the finger first
  });
}
