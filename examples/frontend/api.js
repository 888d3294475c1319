// The HTTP client for Butaca: the token, requests, freshness and errors.

const TOKEN_KEY = "butaca-token";

export const config = await fetch("config.json")
  .then((response) => (response.ok ? response.json() : {}))
  .catch(() => ({}));
config.api = (config.api ?? "http://127.0.0.1:8000/api/v1").replace(/\/+$/, "");

export const token = {
  get: () => sessionStorage.getItem(TOKEN_KEY),
  set: (text) => sessionStorage.setItem(TOKEN_KEY, text),
  clear: () => sessionStorage.removeItem(TOKEN_KEY),
};

/** A failed call, with the fields of Butaca's application/problem+json, or with a text of this page. */
export class Problem extends Error {
  constructor(status, { title, detail, code, errors = [], request_id } = {}, retryAfter = 0) {
    super(detail ?? "No further details are available.");
    Object.assign(this, { status, code, retryAfter, fieldErrors: errors, requestId: request_id });
    this.title = title ?? `Status ${status}`;
  }
}

const UNREACHABLE = {
  title: "Cannot reach Butaca",
  detail: `Check that it is running at ${new URL(config.api).host} and that its CORS_ORIGINS include ${location.origin}.`,
};

const INTERRUPTED = { title: "Export interrupted", detail: "The file is incomplete. Try again." };

/**
 * Call Butaca. Returns {data, staleSeconds}: the JSON, and, if it is stale, the seconds since TMDB
 * returned it, else null. Throws a Problem, or the AbortError of `signal`. If the token is rejected,
 * also dispatches an "unauthorized" event on the window.
 */
export async function call(method, path, options) {
  const { response, text } = await send(method, path, options);
  return { data: parseJson(text), staleSeconds: staleSeconds(response.headers) };
}

export const get = (path, query, signal) => call("GET", path, { query, signal });

/** Fetch a file, for which a link would not send the token. Throws like `call`. */
export async function download(path, query) {
  const { response, text } = await send("GET", path, { query });
  const type = response.headers.get("Content-Type") ?? "";
  if (!isComplete(type, text)) throw new Problem(0, INTERRUPTED);
  const [, name] = /filename="(.+?)"/.exec(response.headers.get("Content-Disposition")) ?? [];
  return { file: new Blob([text], { type }), name: name ?? `butaca-export.${query.format}` };
}

// An interrupted export still has status 200, but it cannot be parsed completely.
const isComplete = (type, text) =>
  type.startsWith("application/json") ? parseJson(text) !== undefined : text.endsWith("\n");

async function send(method, path, { query = {}, body, signal } = {}) {
  const headers = { Authorization: `Bearer ${token.get()}` };
  if (body) headers["Content-Type"] = "application/json";
  let response, text;
  try {
    const url = `${config.api}${path}?${new URLSearchParams(query)}`;
    response = await fetch(url, { method, headers, signal, body: body && JSON.stringify(body) });
    text = await response.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem(0, UNREACHABLE);
  }
  if (response.status === 401) dispatchEvent(new Event("unauthorized"));
  if (!response.ok) throw new Problem(response.status, parseJson(text), Number(response.headers.get("Retry-After")));
  return { response, text };
}

// A gateway may respond with an HTML page.
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Cache-Status (RFC 9211): `fwd=stale` means that TMDB has just failed, and `hit; ttl=-40;
// detail=cooldown` that it is not being called for a while. `updating` does not count as stale here,
// because the entry is already being refreshed.
function staleSeconds(headers) {
  const isStale = /fwd=stale|detail=(cooldown|busy)/.test(headers.get("Cache-Status") ?? "");
  return isStale ? Number(headers.get("Age")) : null;
}
