// Error panels, toasts and the banner for stale content.

import { fill, headed, lasting } from "./parts.js";

const WORDS = {
  429: "You have reached the request limit.",
  502: "TMDB sent no usable response, and no earlier one is cached. Your favorites are still available.",
  503: "No earlier response is cached. Your favorites are still available.",
  504: "No earlier response is cached. Your favorites are still available.",
};

/** Return a panel that explains why there is nothing to show, with a button to try again. */
export function notice(problem, again, level) {
  const { root, parts } = fill("notice");
  parts.status.textContent = problem.status || "";
  parts.title.replaceWith(headed(level, problem.title));
  const isOfTmdb = problem.code?.startsWith("catalogue-");
  const words = isOfTmdb || problem.status === 429 ? WORDS[problem.status] : undefined;
  parts.detail.textContent = [problem.message, words].filter(Boolean).join(" ");
  parts.mistakes.append(...problem.mistakes.map(itemOf));
  parts.reference.textContent = problem.reference ? `Reference ${problem.reference}` : "";
  parts.again.hidden = problem.status === 404 || problem.status === 422;
  parts.again.addEventListener("click", again);
  countDown(parts.again, problem.wait);
  return root;
}

function itemOf({ field, message }) {
  const item = document.createElement("li");
  item.textContent = `${field}: ${message}`;
  return item;
}

function countDown(button, seconds) {
  button.disabled = seconds > 0;
  button.textContent = seconds > 0 ? `Try again in ${lasting(seconds)}` : "Try again";
  if (seconds > 0) setTimeout(countDown, 1000, button, seconds - 1);
}

/** Show a toast that says that a change failed. */
export function toast(problem, what) {
  const text = document.createElement("p");
  const wait = problem.wait ? ` Try again in ${lasting(problem.wait)}.` : "";
  text.innerText = `${what} ${problem.message}${wait}`;
  const close = document.createElement("button");
  close.className = "quiet";
  close.textContent = "Dismiss";
  const toasts = document.getElementById("toasts");
  close.addEventListener("click", () => toasts.replaceChildren());
  toasts.replaceChildren(text, close);
}

export const dismiss = () => document.getElementById("toasts").replaceChildren();

const CHECK_EVERY = 10_000;
const banner = document.getElementById("stale");
let timer;

/** Show or hide the banner for stale content. Check for newer content regularly or on request. */
export function showStaleness(seconds, again) {
  clearTimeout(timer);
  banner.hidden = seconds === null;
  if (seconds === null) return;
  banner.querySelector("p").textContent =
    `TMDB is not responding. You are seeing its response from ${lasting(seconds)} ago. Your favorites and ratings are up to date.`;
  banner.querySelector("button").onclick = again;
  timer = setTimeout(again, CHECK_EVERY);
}
