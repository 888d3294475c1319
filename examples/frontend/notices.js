// Error panels, toasts and the banner for stale content.

import { cloneTemplate, createHeading, formatDuration } from "./parts.js";

const EXPLANATIONS = {
  429: "You have reached the request limit.",
  502: "TMDB sent no usable response, and no earlier one is cached. Your favorites are still available.",
  503: "No earlier response is cached. Your favorites are still available.",
  504: "No earlier response is cached. Your favorites are still available.",
};

/** Return a panel that explains why there is nothing to show, with a button to try again. */
export function createNotice(problem, retry, level) {
  const { root, parts } = cloneTemplate("notice");
  parts.status.textContent = problem.status || "";
  parts.title.replaceWith(createHeading(level, problem.title));
  const isTmdbProblem = problem.code?.startsWith("catalogue-");
  const explanation = isTmdbProblem || problem.status === 429 ? EXPLANATIONS[problem.status] : undefined;
  parts.detail.textContent = [problem.message, explanation].filter(Boolean).join(" ");
  parts.errors.append(...problem.fieldErrors.map(createErrorItem));
  parts.reference.textContent = problem.requestId ? `Reference ${problem.requestId}` : "";
  parts.retry.hidden = problem.status === 404 || problem.status === 422;
  parts.retry.addEventListener("click", retry);
  countDown(parts.retry, problem.retryAfter);
  return root;
}

function createErrorItem({ field, message }) {
  const item = document.createElement("li");
  item.textContent = `${field}: ${message}`;
  return item;
}

function countDown(button, seconds) {
  button.disabled = seconds > 0;
  button.textContent = seconds > 0 ? `Try again in ${formatDuration(seconds)}` : "Try again";
  if (seconds > 0) setTimeout(countDown, 1000, button, seconds - 1);
}

/** Show a message about a failed change. */
export function showToast(problem, what) {
  const text = document.createElement("p");
  const wait = problem.retryAfter ? ` Try again in ${formatDuration(problem.retryAfter)}.` : "";
  text.innerText = `${what} ${problem.message}${wait}`;
  const close = document.createElement("button");
  close.className = "secondary";
  close.textContent = "Dismiss";
  const toasts = document.getElementById("toasts");
  close.addEventListener("click", () => toasts.replaceChildren());
  toasts.replaceChildren(text, close);
}

export const dismissToast = () => document.getElementById("toasts").replaceChildren();

const CHECK_INTERVAL = 10_000;
const banner = document.getElementById("stale-banner");
let timer;

/** Show or hide the banner for stale content. Check for newer content regularly or on request. */
export function showStaleBanner(seconds, retry) {
  clearTimeout(timer);
  banner.hidden = seconds === null;
  if (seconds === null) return;
  banner.querySelector("p").textContent =
    `TMDB is not responding. You are seeing its response from ${formatDuration(seconds)} ago. Your favorites and ratings are up to date.`;
  banner.querySelector("button").onclick = retry;
  timer = setTimeout(retry, CHECK_INTERVAL);
}
