/**
 * Who this tab is: an access token in sessionStorage, never in an address. A tab opened beside another
 * of the same person asks it for the token, because sessionStorage is not shared.
 */

import { byId, make } from "./dom.js";

const KEY = "stagedoor.token";
const EXPIRY_MARGIN_SECONDS = 2;

/** @typedef {{sub: string, roles: string[], plan: string, tenant: string, exp: number}} Claims */

/** @param {string} token @returns {Claims | null} its claims, unverified and for display only */
export function claims(token) {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0));
    const body = JSON.parse(new TextDecoder().decode(bytes));
    return typeof body.exp === "number" ? { sub: "", roles: [], plan: "", tenant: "", ...body } : null;
  } catch {
    return null;
  }
}

class Identity extends EventTarget {
  constructor() {
    super();
    this.channel = new BroadcastChannel("stagedoor.identity");
    this.channel.addEventListener("message", ({ data }) => this.#heard(data));
  }

  /** @returns {string | null} the token, unless it has run out */
  get token() {
    const token = sessionStorage.getItem(KEY);
    const exp = token ? claims(token)?.exp : undefined;
    return token && (exp === undefined || exp > Date.now() / 1000 + EXPIRY_MARGIN_SECONDS) ? token : null;
  }

  /** Whether there is a token that has run out. */
  get expired() {
    return this.token === null && sessionStorage.getItem(KEY) !== null;
  }

  get claims() {
    return this.token ? claims(this.token) : null;
  }

  /** @param {string} token */
  signIn(token) {
    sessionStorage.setItem(KEY, token);
    this.dispatchEvent(new Event("change"));
  }

  signOut() {
    const token = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    this.channel.postMessage({ out: token });
    this.dispatchEvent(new Event("change"));
  }

  /** Asks the other tabs, if this one does not know who it is. */
  inherit() {
    if (!this.token) this.channel.postMessage({ who: true });
  }

  /** @param {{who?: boolean, token?: string, out?: string | null}} said */
  #heard(said) {
    if (said.who && this.token) this.channel.postMessage({ token: this.token });
    else if (said.token && !this.token) this.signIn(said.token);
    else if (said.out && said.out === sessionStorage.getItem(KEY)) {
      sessionStorage.removeItem(KEY);
      this.dispatchEvent(new Event("change"));
    }
  }
}

export const identity = new Identity();

/**
 * A token for development, where the server gives them out.
 * @param {{user: string, role: string, plan: string, tenant: string}} who
 * @returns {Promise<string>} Throws an Error that says what to do.
 */
export async function developmentToken(who) {
  let response;
  try {
    response = await fetch("/api/dev/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(who),
    });
  } catch {
    throw new Error("The server cannot be reached. Is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok && typeof body.token === "string") return body.token;
  if (response.status === 403 || response.status === 404) {
    throw new Error("This sign-in works only in a browser on the server’s own machine. Elsewhere, paste a token.");
  }
  throw new Error(typeof body.error === "string" ? body.error : `The server answered ${response.status}.`);
}

/** Makes the sign-in form and the corner that says who is signed in work. */
export function wireIdentity() {
  const corner = byId("identity", HTMLElement);
  const draw = () => {
    drawCorner(corner);
    drawForms();
    drawNavigation();
  };
  identity.addEventListener("change", draw);
  for (const form of document.querySelectorAll("form[data-sign-in]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void submit(/** @type {HTMLFormElement} */ (form));
    });
  }
  draw();
  identity.inherit();
}

/** Opens the sign-in, wherever this page has it. */
export function askToSignIn() {
  const door = document.getElementById("door");
  if (door instanceof HTMLDialogElement) door.showModal();
  else /** @type {HTMLElement | null} */ (document.querySelector("form[data-sign-in] :is(input, textarea)"))?.focus();
}

/** @param {HTMLFormElement} form */
async function submit(form) {
  const values = Object.fromEntries(/** @type {[string, string][]} */ ([...new FormData(form)]));
  const problem = form.querySelector(".problem");
  const button = form.querySelector("button.primary");
  if (!(problem instanceof HTMLElement) || !(button instanceof HTMLButtonElement)) return;
  problem.hidden = true;
  button.disabled = true;
  try {
    const token =
      form.dataset.signIn === "development"
        ? await developmentToken({ user: "", role: "fan", plan: "free", tenant: "default", ...values })
        : (values.token ?? "").trim();
    const exp = claims(token)?.exp;
    if (exp === undefined) throw new Error("That is not an access token: it should be three parts with dots between.");
    if (exp <= Date.now() / 1000) throw new Error("This token has run out. Ask for a new one.");
    identity.signIn(token);
    form.closest("dialog")?.close();
    form.querySelector("textarea")?.form?.reset();
  } catch (error) {
    problem.textContent = error instanceof Error ? error.message : String(error);
    problem.hidden = false;
  } finally {
    button.disabled = false;
  }
}

/** Who is signed in stands where the form was. */
function drawForms() {
  const who = identity.claims;
  for (const form of document.querySelectorAll("form[data-sign-in]")) /** @type {HTMLElement} */ (form).hidden = who !== null;
  for (const place of document.querySelectorAll("[data-signed-in]")) {
    /** @type {HTMLElement} */ (place).hidden = who === null;
    if (!who) continue;
    const out = make("button", { type: "button" }, "Sign out");
    out.addEventListener("click", () => identity.signOut());
    place.replaceChildren(
      make("p", {}, "You are ", make("b", {}, who.sub), `, ${who.roles.join(", ")}, with the plan ${who.plan} in the tenant ${who.tenant}.`),
      make("p", { class: "hint" }, `Until ${until(who)}. Other tabs of this browser are signed in with it.`),
      make("div", { class: "row" }, make("a", { class: "button", href: "/usage" }, "Your minutes"), out),
    );
  }
}

/** The way to a page that wants a role is shown to who has it. */
function drawNavigation() {
  const roles = identity.claims?.roles ?? [];
  for (const link of document.querySelectorAll("[data-role]")) {
    /** @type {HTMLElement} */ (link).hidden = !roles.includes(link.getAttribute("data-role") ?? "") && !link.hasAttribute("aria-current");
  }
}

/** @param {Claims} who @returns {string} */
function until(who) {
  const end = new Date(who.exp * 1000);
  const today = end.toDateString() === new Date().toDateString();
  return today ? end.toLocaleTimeString([], { timeStyle: "short" }) : end.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** @param {HTMLElement} corner */
function drawCorner(corner) {
  corner.hidden = false;
  const who = identity.claims;
  if (!who) {
    const open = make("button", { type: "button", class: "quiet-button" }, "Sign in");
    open.addEventListener("click", askToSignIn);
    corner.replaceChildren(open);
    return;
  }
  const name = make("span", { class: "identity-name", title: `Tenant ${who.tenant}, plan ${who.plan}, until ${until(who)}` });
  name.append(make("b", {}, who.sub), make("span", { class: "identity-role" }, ` ${who.roles.join(", ")}`));
  const out = make("button", { type: "button", class: "quiet-button" }, "Sign out");
  out.addEventListener("click", () => identity.signOut());
  corner.replaceChildren(name, out);
}
