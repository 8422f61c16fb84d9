/** The links that pages give away. The overlay's carries a token that may only watch. */

import { byId } from "./dom.js";
import { developmentToken, identity } from "./identity.js";

/** @import {Facts} from "./dom.js" */

/** @param {Facts} here */
export function wireLinks(here) {
  const watch = byId("watch-link", HTMLInputElement);
  const overlay = byId("overlay-link", HTMLInputElement);
  watch.value = `${location.origin}/watch/${here.channel}`;
  overlay.value = `${location.origin}/overlay/${here.channel}?lang=${here.source}#token=…`;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => void copy(here, /** @type {HTMLButtonElement} */ (button)));
  }
}

/** @param {Facts} here @param {HTMLButtonElement} button */
async function copy(here, button) {
  const field = byId(button.dataset.copy ?? "", HTMLInputElement);
  if (field.id === "overlay-link" && here.development && identity.token) await fillOverlay(here, field);
  await copied(button, field);
}

/** Copies what stands in a field, and says so on the button. @param {HTMLButtonElement} button @param {HTMLInputElement} field */
export async function copied(button, field) {
  button.dataset.name ??= button.textContent ?? "";
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C"; // no clipboard outside https and localhost; the text is selected
  }
  setTimeout(() => (button.textContent = button.dataset.name ?? ""), 2500);
}

/** @param {Facts} here @param {HTMLInputElement} field */
async function fillOverlay(here, field) {
  const { plan = "free", tenant = "default" } = identity.claims ?? {};
  try {
    const token = await developmentToken({ user: `overlay-${here.channel}`.slice(0, 128), role: "fan", plan, tenant });
    field.value = `${location.origin}/overlay/${here.channel}?lang=${here.source}#token=${token}`;
    byId("overlay-hint", HTMLElement).textContent = "With a viewer’s token that runs out; it stands after # and is sent to no log.";
  } catch {
    // The placeholder stays, and the hint beside it says what to put there.
  }
}
