// The page: sign-in, routes and lists.

import { Problem, config, download, get, token } from "./api.js";
import { cardOf, screenOf } from "./movies.js";
import { dismiss, notice, showStaleness, toast } from "./notices.js";
import { afterwards, fill, save, say } from "./parts.js";

const main = document.getElementById("main");
const top = document.getElementById("top");
const query = document.getElementById("query");
const language = document.getElementById("language");

const sorts = { favorites: "-release_date,-rating", ratings: "-rated_at" };
let visit = new AbortController();

const routes = {
  popular: () => list({ title: "Popular now", path: "/movies/popular", hasLead: true }),
  favorites: () =>
    list({
      title: "My favorites",
      path: "/me/favorites",
      extra: { sort: sorts.favorites },
      movieOf: ({ movie, rating }) => ({ ...movie, me: { favorite: true, rating } }),
      tools: [sorting("favorites"), exporting()],
      nothing: "No favorites yet. Select the heart of a movie to add it here.",
    }),
  ratings: () =>
    list({
      title: "My ratings",
      path: "/me/ratings",
      extra: { sort: sorts.ratings },
      about: ratedFavorites,
      movieOf: ({ movie, stars }, favorites) => ({ ...movie, me: { favorite: favorites.has(movie.id), rating: stars } }),
      tools: [sorting("ratings"), exporting()],
      nothing: "No ratings yet. Select the stars of a movie to add it here.",
    }),
  search: (words) =>
    list({
      title: `“${words}”`,
      path: "/movies/search",
      extra: { query: words },
      nothing: "No movies match your search.",
    }),
  movie: (id) => showMovie(id),
};

/** Show the page that the address names. Abort pending requests of the previous page. */
async function show() {
  visit.abort();
  visit = new AbortController();
  showStaleness(null);
  dismiss();
  if (!token.get()) return showEntrance();
  const [, name = "", rest = ""] = (location.hash || "#/popular").split("/");
  if (!Object.hasOwn(routes, name)) {
    history.replaceState(null, "", "#/popular");
    return show();
  }
  const words = decodeURIComponent(rest);
  if (document.activeElement !== query) query.value = name === "search" ? words : "";
  for (const link of top.querySelectorAll("nav a")) {
    link.ariaCurrent = link.hash === `#/${name}` ? "page" : null;
  }
  top.hidden = false;
  await routes[name](words);
}

/** Show a paginated list of movies. `about` fetches what `movieOf` needs besides a result. */
function list({ title, path, extra = {}, about, movieOf = (movie) => movie, hasLead, tools = [], nothing }) {
  const { signal } = visit;
  const { root, parts } = fill("list");
  const answers = [];
  const seen = new Set(); // TMDB repeats movies from page to page.
  let known;
  const params = { language: language.value, ...extra };
  if (path.startsWith("/movies")) params.include = "me";
  const ask = (page) => get(path, { ...params, page }, signal);
  const moviesOf = ({ data }) => data.results.map((result) => movieOf(result, known));

  async function load(page) {
    parts.end.replaceChildren(waiting());
    await attempt(signal, parts.end, () => load(page), async () => {
      const [answer, found] = await Promise.all([ask(page), known ?? about?.(signal)]);
      known = found;
      answers.push(answer);
      const added = add(moviesOf(answer));
      const hasMore = answer.data.results.length > 0 && page < answer.data.total_pages;
      parts.end.replaceChildren(hasMore ? more(() => load(page + 1)) : theEnd());
      say(seen.size ? summaryOf(added, title, hasMore) : nothing);
      showStaleness(oldest(answers), refresh);
    });
  }

  // Keep stale content in place until there is something newer.
  async function refresh() {
    try {
      const newer = await Promise.all(answers.map((_, index) => ask(index + 1)));
      const isNew = newer.some(({ data }, index) => !isSame(data, answers[index].data));
      answers.splice(0, newer.length, ...newer);
      if (isNew) {
        keepingFocus(repaint);
        say(`Updated: ${title}.`);
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem)) return;
    }
    showStaleness(oldest(answers), refresh);
  }

  const repaint = () => {
    seen.clear();
    parts.lead.replaceChildren();
    parts.grid.replaceChildren();
    for (const answer of answers) add(moviesOf(answer));
  };
  const add = (movies) => {
    const unseen = movies.filter(({ id }) => !seen.has(id) && seen.add(id));
    const added = unseen.length;
    if (hasLead && !parts.lead.childElementCount && unseen.length) {
      parts.lead.append(screenOf(unseen.shift(), "No. 1 right now"));
    }
    parts.grid.append(...unseen.map(cardOf));
    return added;
  };
  const theEnd = () => paragraph(seen.size ? "No more movies." : nothing);

  parts.title.textContent = title;
  parts.grid.lang = language.value;
  parts.tools.append(...tools);
  enter(root, parts.title);
  return load(1);
}

/** Return the IDs of the favorites that have a rating. A rating does not say whether its movie is a favorite. */
async function ratedFavorites(signal) {
  const pageOf = (page) => get("/me/favorites", { rated: true, page_size: 100, page }, signal);
  const first = await pageOf(1);
  const others = Array.from({ length: Math.max(first.data.total_pages - 1, 0) }, (_, index) => pageOf(index + 2));
  const pages = [first, ...(await Promise.all(others))];
  return new Set(pages.flatMap(({ data }) => data.results.map(({ movie }) => movie.id)));
}

/** Return what to announce after a page of a list has been added. */
function summaryOf(added, title, hasMore) {
  const movies = added === 1 ? "1 movie" : `${added} movies`;
  const end = hasMore ? [] : ["End of list."];
  if (!added) return hasMore ? "No other movies on this page." : end[0];
  return [`${movies}: ${title}.`, ...end].join(" ");
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function oldest(answers) {
  const ages = answers.map(({ staleFor }) => staleFor).filter((age) => age !== null);
  return ages.length ? Math.max(...ages) : null;
}

function keepingFocus(act) {
  const label = document.activeElement.ariaLabel;
  act();
  if (label) main.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus({ preventScroll: true });
}

/** Show one movie with all its details. */
async function showMovie(id) {
  const { signal } = visit;
  main.replaceChildren(waiting());
  const params = { language: language.value, include: "me" };
  await attempt(signal, main, show, async () => {
    const { data, staleFor } = await get(`/movies/${id}`, params, signal);
    const screen = screenOf(data);
    enter(screen, screen.querySelector("h1"));
    showStaleness(staleFor, show);
  });
}

/** Run `act`. If it fails, show why in `place`. */
async function attempt(signal, place, again, act) {
  try {
    await act();
  } catch (error) {
    if (signal.aborted) return; // The user has left this page.
    if (!(error instanceof Problem)) throw error;
    place.replaceChildren(notice(error, again, place === main ? "h1" : "h2"));
  }
}

function showEntrance(isRefused = false) {
  visit.abort();
  const refused = token.get();
  token.forget();
  showStaleness(null);
  top.hidden = true;
  const { root, parts } = fill("entrance");
  const form = root.querySelector("form");
  form.token.value = (isRefused ? refused : config.token) ?? "";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(form.token.value.trim());
    show();
  });
  enter(root, root.querySelector("h1"));
  if (isRefused) {
    parts.refused.append(paragraph("This token is unknown, expired or revoked."));
    form.token.focus();
    form.token.select();
  }
}

/** Replace the page content. Move the focus there for keyboard and screen reader users. */
function enter(content, heading) {
  document.title = `${heading.textContent} – Butaca`;
  main.replaceChildren(content);
  if (document.activeElement === document.body) heading.focus({ preventScroll: true });
}

function sorting(name) {
  const { root } = fill("sorting");
  const select = root.querySelector("select");
  for (const option of select.querySelectorAll("[data-of]")) {
    if (option.dataset.of !== name) option.remove();
  }
  select.value = sorts[name];
  select.addEventListener("change", () => {
    sorts[name] = select.value;
    show().then(() => document.getElementById("sort")?.focus());
  });
  return root;
}

function exporting() {
  const { root } = fill("exporting");
  for (const button of root.querySelectorAll("button")) {
    button.addEventListener("click", () => exportAs(button));
  }
  return root;
}

async function exportAs(button) {
  button.disabled = true;
  try {
    const { file, name } = await download("/me/export", { format: button.value });
    save(file, name);
    dismiss();
    say(`Exported: ${name}.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error, "Export failed.");
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // Disabling it took the focus.
  }
}

function more(load) {
  const button = document.createElement("button");
  button.className = "loud";
  button.textContent = "More movies";
  button.addEventListener("click", load);
  return button;
}

function paragraph(text) {
  const element = document.createElement("p");
  element.className = "hint";
  element.textContent = text;
  return element;
}

function waiting() {
  const element = paragraph("");
  element.className = "waiting";
  element.ariaBusy = "true";
  return element;
}

const search = afterwards(250, (words) => {
  history.replaceState(null, "", words ? `#/search/${encodeURIComponent(words)}` : "#/popular");
  show();
});
query.addEventListener("input", () => search(query.value.trim()));
document.getElementById("find").addEventListener("submit", (event) => event.preventDefault());
language.addEventListener("change", show);
document.getElementById("leave").addEventListener("click", () => {
  token.forget();
  show();
});
// The hash is the route, so the link cannot set it to "#main".
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
// Of several requests that are refused at once, only the first still finds the token.
addEventListener("refused", () => token.get() && showEntrance(true));
show();
