// Butaca over HTTP: who calls, what is asked, how fresh the answer is, and why there is none.

const KEY = "butaca-token";

export const config = await fetch("config.json")
  .then((answer) => (answer.ok ? answer.json() : {}))
  .catch(() => ({}));
config.api ??= "http://127.0.0.1:8000/api/v1";

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Why a call was not met: Butaca's application/problem+json, or our own words where there is none. */
export class Problem extends Error {
  constructor(status, { title, detail, code, errors = [], request_id } = {}, wait = 0) {
    super(detail ?? "No more is known.");
    Object.assign(this, { status, code, wait, mistakes: errors, reference: request_id });
    this.title = title ?? `Status ${status}`;
  }
}

const UNREACHABLE = {
  title: "Butaca does not answer",
  detail: `Is it running at ${new URL(config.api).host}, and is ${location.origin} among its CORS_ORIGINS?`,
};

/**
 * Call Butaca. Returns {data, staleFor}: the JSON, and the seconds since TMDB said so where that is
 * no longer fresh, else null. Throws a Problem, or the AbortError of `signal`. A token that is not
 * accepted is told to the window, too, as "refused".
 */
export async function call(method, path, { query = {}, body, signal } = {}) {
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
  const data = parsed(text);
  if (answer.status === 401) dispatchEvent(new Event("refused"));
  if (!answer.ok) throw new Problem(answer.status, data, Number(answer.headers.get("Retry-After")));
  return { data, staleFor: staleFor(answer.headers) };
}

export const get = (path, query, signal) => call("GET", path, { query, signal });

// A gateway between us may answer with a page.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Cache-Status (RFC 9211): `fwd=stale` is what TMDB's failure left us with, `hit; ttl=-40;
// detail=cooldown` what is shown while it is left alone. `updating` is being renewed as we speak.
function staleFor(headers) {
  const isStale = /fwd=stale|detail=(cooldown|busy)/.test(headers.get("Cache-Status") ?? "");
  return isStale ? Number(headers.get("Age")) : null;
}
