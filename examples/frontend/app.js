// The page: sign-in, routes and lists.

import { Problem, config, download, get, token } from "./api.js";
import { createCard, createHero } from "./movies.js";
import { createNotice, dismissToast, showStaleBanner, showToast } from "./notices.js";
import { announce, cloneTemplate, debounce, saveFile } from "./parts.js";

const main = document.getElementById("main");
const header = document.getElementById("header");
const query = document.getElementById("query");
const language = document.getElementById("language");

const sorts = { favorites: "-release_date,-rating", ratings: "-rated_at" };
let navigation = new AbortController();

const routes = {
  popular: () => list({ title: "Popular now", path: "/movies/popular", hasLead: true }),
  favorites: () =>
    list({
      title: "My favorites",
      path: "/me/favorites",
      extra: { sort: sorts.favorites },
      movieOf: ({ movie, rating }) => ({ ...movie, me: { favorite: true, rating } }),
      tools: [createSortSelect("favorites"), createExportButtons()],
      emptyText: "No favorites yet. Select the heart of a movie to add it here.",
    }),
  ratings: () =>
    list({
      title: "My ratings",
      path: "/me/ratings",
      extra: { sort: sorts.ratings },
      fetchContext: ratedFavorites,
      movieOf: ({ movie, stars }, favorites) => ({ ...movie, me: { favorite: favorites.has(movie.id), rating: stars } }),
      tools: [createSortSelect("ratings"), createExportButtons()],
      emptyText: "No ratings yet. Select the stars of a movie to add it here.",
    }),
  search: (words) =>
    list({
      title: `“${words}”`,
      path: "/movies/search",
      extra: { query: words },
      emptyText: "No movies match your search.",
    }),
  movie: (id) => showMovie(id),
};

/** Show the page of the current route. Abort pending requests of the previous page. */
async function show() {
  navigation.abort();
  navigation = new AbortController();
  showStaleBanner(null);
  dismissToast();
  if (!token.get()) return showSignIn();
  const [, name = "", rest = ""] = (location.hash || "#/popular").split("/");
  if (!Object.hasOwn(routes, name)) {
    history.replaceState(null, "", "#/popular");
    return show();
  }
  const words = decodeURIComponent(rest);
  if (document.activeElement !== query) query.value = name === "search" ? words : "";
  for (const link of header.querySelectorAll("nav a")) {
    link.ariaCurrent = link.hash === `#/${name}` ? "page" : null;
  }
  header.hidden = false;
  await routes[name](words);
}

/** Show a paginated list of movies. `fetchContext` fetches what `movieOf` needs besides a result. */
function list({ title, path, extra = {}, fetchContext, movieOf = (movie) => movie, hasLead, tools = [], emptyText }) {
  const { signal } = navigation;
  const { root, parts } = cloneTemplate("list");
  const responses = [];
  const seen = new Set(); // TMDB repeats movies from page to page.
  let context;
  const params = { language: language.value, ...extra };
  if (path.startsWith("/movies")) params.include = "me";
  const fetchPage = (page) => get(path, { ...params, page }, signal);
  const moviesOf = ({ data }) => data.results.map((result) => movieOf(result, context));

  async function load(page) {
    parts.end.replaceChildren(createSpinner());
    await attempt(signal, parts.end, () => load(page), async () => {
      const [response, newContext] = await Promise.all([fetchPage(page), context ?? fetchContext?.(signal)]);
      context = newContext;
      responses.push(response);
      const added = add(moviesOf(response));
      const hasMore = response.data.results.length > 0 && page < response.data.total_pages;
      parts.end.replaceChildren(hasMore ? createMoreButton(() => load(page + 1)) : createEndOfList());
      announce(seen.size ? summaryOf(added, title, hasMore) : emptyText);
      showStaleBanner(oldestAge(responses), refresh);
    });
  }

  // Keep stale content in place until there is something newer.
  async function refresh() {
    try {
      const newer = await Promise.all(responses.map((_, index) => fetchPage(index + 1)));
      const isNew = newer.some(({ data }, index) => !isEqual(data, responses[index].data));
      responses.splice(0, newer.length, ...newer);
      if (isNew) {
        preserveFocus(repaint);
        announce(`Updated: ${title}.`);
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof Problem)) return;
    }
    showStaleBanner(oldestAge(responses), refresh);
  }

  const repaint = () => {
    seen.clear();
    parts.lead.replaceChildren();
    parts.grid.replaceChildren();
    for (const response of responses) add(moviesOf(response));
  };
  const add = (movies) => {
    const unseen = movies.filter(({ id }) => !seen.has(id) && seen.add(id));
    const added = unseen.length;
    if (hasLead && !parts.lead.childElementCount && unseen.length) {
      parts.lead.append(createHero(unseen.shift(), "No. 1 right now"));
    }
    parts.grid.append(...unseen.map(createCard));
    return added;
  };
  const createEndOfList = () => createHint(seen.size ? "No more movies." : emptyText);

  parts.title.textContent = title;
  parts.grid.lang = language.value;
  parts.tools.append(...tools);
  showContent(root, parts.title);
  return load(1);
}

/** Return the IDs of the favorites that have a rating. A rating does not contain whether its movie is a favorite. */
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

const isEqual = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function oldestAge(responses) {
  const ages = responses.map(({ staleSeconds }) => staleSeconds).filter((age) => age !== null);
  return ages.length ? Math.max(...ages) : null;
}

function preserveFocus(action) {
  const label = document.activeElement.ariaLabel;
  action();
  if (label) main.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus({ preventScroll: true });
}

/** Show one movie with all its details. */
async function showMovie(id) {
  const { signal } = navigation;
  main.replaceChildren(createSpinner());
  const params = { language: language.value, include: "me" };
  await attempt(signal, main, show, async () => {
    const { data, staleSeconds } = await get(`/movies/${id}`, params, signal);
    const hero = createHero(data);
    showContent(hero, hero.querySelector("h1"));
    showStaleBanner(staleSeconds, show);
  });
}

/** Run `action`. If it fails, show the reason in `container`. */
async function attempt(signal, container, retry, action) {
  try {
    await action();
  } catch (error) {
    if (signal.aborted) return; // The user has left this page.
    if (!(error instanceof Problem)) throw error;
    container.replaceChildren(createNotice(error, retry, container === main ? "h1" : "h2"));
  }
}

function showSignIn(isRejected = false) {
  navigation.abort();
  const rejected = token.get();
  token.clear();
  showStaleBanner(null);
  header.hidden = true;
  const { root, parts } = cloneTemplate("sign-in");
  const form = root.querySelector("form");
  form.token.value = (isRejected ? rejected : config.token) ?? "";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(form.token.value.trim());
    show();
  });
  showContent(root, root.querySelector("h1"));
  if (isRejected) {
    parts.error.append(createHint("This token is unknown, expired or revoked."));
    form.token.focus();
    form.token.select();
  }
}

/** Replace the page content. Move the focus there for keyboard and screen reader users. */
function showContent(content, heading) {
  document.title = `${heading.textContent} – Butaca`;
  main.replaceChildren(content);
  if (document.activeElement === document.body) heading.focus({ preventScroll: true });
}

function createSortSelect(name) {
  const { root } = cloneTemplate("sort-select");
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

function createExportButtons() {
  const { root } = cloneTemplate("export-buttons");
  for (const button of root.querySelectorAll("button")) {
    button.addEventListener("click", () => exportAs(button));
  }
  return root;
}

async function exportAs(button) {
  button.disabled = true;
  try {
    const { file, name } = await download("/me/export", { format: button.value });
    saveFile(file, name);
    dismissToast();
    announce(`Exported: ${name}.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showToast(error, "Export failed.");
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // Disabling it removed the focus.
  }
}

function createMoreButton(load) {
  const button = document.createElement("button");
  button.className = "primary";
  button.textContent = "More movies";
  button.addEventListener("click", load);
  return button;
}

function createHint(text) {
  const element = document.createElement("p");
  element.className = "hint";
  element.textContent = text;
  return element;
}

function createSpinner() {
  const element = createHint("");
  element.className = "spinner";
  element.ariaBusy = "true";
  return element;
}

const search = debounce(250, (words) => {
  history.replaceState(null, "", words ? `#/search/${encodeURIComponent(words)}` : "#/popular");
  show();
});
query.addEventListener("input", () => search(query.value.trim()));
document.getElementById("search-form").addEventListener("submit", (event) => event.preventDefault());
language.addEventListener("change", show);
document.getElementById("sign-out").addEventListener("click", () => {
  token.clear();
  show();
});
// The hash is the route, so the link cannot set it to "#main".
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
// If several requests are rejected at the same time, only the first one still finds the token.
addEventListener("unauthorized", () => token.get() && showSignIn(true));
show();
