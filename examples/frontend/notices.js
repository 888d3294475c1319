// What the page says when something is not as it should be.

import { fill, headed, lasting } from "./parts.js";

const WORDS = {
  404: "We looked under every seat.",
  429: "You are quicker than we allow.",
  502: "What TMDB says cannot be used, and nothing was kept from before. Favorites are still here.",
  503: "Nothing was kept from before that we could show instead. Favorites need nobody.",
  504: "Nothing was kept from before that we could show instead. Favorites need nobody.",
};

/** Return a panel that tells why there is nothing to show, and offers to try again in time. */
export function notice(problem, again, level) {
  const { root, parts } = fill("notice");
  parts.status.textContent = problem.status || "";
  parts.title.replaceWith(headed(level, problem.title));
  const words = problem.code?.startsWith("library") ? undefined : WORDS[problem.status];
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

/** Tell, over the page, that something was not done. */
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

/** Show, or hide, that what is on the page is old; look again by and by, or when asked. */
export function showStaleness(seconds, again) {
  clearTimeout(timer);
  banner.hidden = seconds === null;
  if (seconds === null) return;
  banner.querySelector("p").textContent =
    `TMDB does not answer. This is what it said ${lasting(seconds)} ago; your favorites and stars are as you left them.`;
  banner.querySelector("button").onclick = again;
  timer = setTimeout(again, CHECK_EVERY);
}
