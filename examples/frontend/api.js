// The HTTP client for Butaca: the token, requests, freshness and errors.

const KEY = "butaca-token";

export const config = await fetch("config.json")
  .then((answer) => (answer.ok ? answer.json() : {}))
  .catch(() => ({}));
config.api = (config.api ?? "http://127.0.0.1:8000/api/v1").replace(/\/+$/, "");

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Why a call failed: Butaca's application/problem+json, or our own text if there is none. */
export class Problem extends Error {
  constructor(status, { title, detail, code, errors = [], request_id } = {}, wait = 0) {
    super(detail ?? "No further details are available.");
    Object.assign(this, { status, code, wait, mistakes: errors, reference: request_id });
    this.title = title ?? `Status ${status}`;
  }
}

const UNREACHABLE = {
  title: "Cannot reach Butaca",
  detail: `Check that it is running at ${new URL(config.api).host} and that its CORS_ORIGINS include ${location.origin}.`,
};

const INTERRUPTED = { title: "Export interrupted", detail: "The file is incomplete. Try again." };

/**
 * Call Butaca. Returns {data, staleFor}: the JSON, and, if it is stale, the seconds since TMDB
 * returned it, else null. Throws a Problem, or the AbortError of `signal`. If the token is rejected,
 * also dispatches a "refused" event on the window.
 */
export async function call(method, path, options) {
  const { answer, text } = await send(method, path, options);
  return { data: parsed(text), staleFor: staleFor(answer.headers) };
}

export const get = (path, query, signal) => call("GET", path, { query, signal });

/** Fetch a file, for which a link would not send the token. Throws like `call`. */
export async function download(path, query) {
  const { answer, text } = await send("GET", path, { query });
  const type = answer.headers.get("Content-Type") ?? "";
  if (!isWhole(type, text)) throw new Problem(0, INTERRUPTED);
  const [, name] = /filename="(.+?)"/.exec(answer.headers.get("Content-Disposition")) ?? [];
  return { file: new Blob([text], { type }), name: name ?? `butaca-export.${query.format}` };
}

// An export that broke off is a 200 all the same, but it cannot be parsed to its end.
const isWhole = (type, text) =>
  type.startsWith("application/json") ? parsed(text) !== undefined : text.endsWith("\n");

async function send(method, path, { query = {}, body, signal } = {}) {
  const headers = { Authorization: `Bearer ${token.get()}` };
  if (body) headers["Content-Type"] = "application/json";
  let answer, text;
  try {
    const url = `${config.api}${path}?${new URLSearchParams(query)}`;
    answer = await fetch(url, { method, headers, signal, body: body && JSON.stringify(body) });
    text = await answer.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Problem(0, UNREACHABLE);
  }
  if (answer.status === 401) dispatchEvent(new Event("refused"));
  if (!answer.ok) throw new Problem(answer.status, parsed(text), Number(answer.headers.get("Retry-After")));
  return { answer, text };
}

// A gateway in between may answer with an HTML page.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Cache-Status (RFC 9211): `fwd=stale` means that TMDB failed just now, and `hit; ttl=-40;
// detail=cooldown` that it is not called for a while. `updating` does not count as stale here,
// because the entry is already being refreshed.
function staleFor(headers) {
  const isStale = /fwd=stale|detail=(cooldown|busy)/.test(headers.get("Cache-Status") ?? "");
  return isStale ? Number(headers.get("Age")) : null;
}
