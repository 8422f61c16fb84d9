/** Questions to the server's API as the one who is signed in; what goes wrong is a `Problem` with a kind. */

import { identity } from "./identity.js";

/**
 * `away`: no answer, or none now; `token`: sign in (again); `forbidden`: not for this person; `limited`: later;
 * `refused`: not possible as it was asked.
 * @typedef {"away" | "token" | "forbidden" | "limited" | "refused"} Kind
 */

export class Problem extends Error {
  /** @param {Kind} kind @param {string} message @param {{status?: number, code?: string, param?: string, retryAfterSeconds?: number}} [more] */
  constructor(kind, message, { status = 0, code = "", param = "", retryAfterSeconds = 0 } = {}) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.code = code;
    this.param = param;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const TIMEOUT_MS = 15_000;
let skewMs = 0;

/** @returns {number} ms since the epoch by the server's clock, as far as its answers tell it */
export function serverNow() {
  return Date.now() + skewMs;
}

/** @param {number} status @returns {Kind} */
function kindOf(status) {
  if (status === 401) return "token";
  if (status === 403) return "forbidden";
  if (status === 429) return "limited";
  return status >= 500 ? "away" : "refused";
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const said = typeof body.error === "string" ? body.error : `The server answered ${response.status}.`;
  const seconds = Number(body.retry_after_seconds ?? response.headers.get("Retry-After") ?? 0);
  return new Problem(kindOf(response.status), said, {
    status: response.status,
    code: typeof body.code === "string" ? body.code : "",
    param: typeof body.param === "string" ? body.param : "",
    retryAfterSeconds: Number.isFinite(seconds) ? seconds : 0,
  });
}

/**
 * @param {string} path
 * @param {{method?: string, body?: object, key?: string, signal?: AbortSignal}} [options] `key` makes a repeated POST count once
 * @returns {Promise<any>} the body of a good answer. Throws Problem; a caller's own abort comes through as it is.
 */
export async function ask(path, { method = "GET", body, key, signal } = {}) {
  const token = identity.token;
  if (!token) throw new Problem("token", "Nobody is signed in.", { code: identity.expired ? "TOKEN_EXPIRED" : "NO_TOKEN" });
  /** @type {Record<string, string>} */
  const headers = { Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const patience = AbortSignal.timeout(TIMEOUT_MS);
  let response, answer;
  try {
    response = await fetch(path, {
      method, headers, cache: "no-store", signal: signal ? AbortSignal.any([signal, patience]) : patience,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw await problemOf(response);
    answer = response.status === 204 ? {} : await response.json();
  } catch (error) {
    if (error instanceof Problem || signal?.aborted) throw error;
    throw new Problem("away", navigator.onLine ? "The server does not answer." : "This device is offline.");
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds: a smaller difference is none.
  if (!Number.isNaN(date)) skewMs = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  return answer;
}
