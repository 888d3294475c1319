// A movie as a card in a grid and as a full-width hero, with its heart and stars.

import { call } from "./api.js";
import { dismissToast, showToast } from "./notices.js";
import { announce, cloneTemplate, createHeading, createImage, sendLatest } from "./parts.js";
import { createStars } from "./stars.js";

const href = (movie) => `#/movie/${movie.id}`;

/** Return a card; `movie.me` is {favorite, rating}. */
export function createCard(movie) {
  const { root, parts } = cloneTemplate("card");
  parts.link.href = href(movie);
  parts.title.textContent = movie.title;
  parts.poster.dataset.title = movie.title;
  if (movie.poster_url) parts.poster.append(createImage(movie.poster_url));
  parts.facts.textContent = joinFacts(movie.release_date?.slice(0, 4) ?? "No release date yet", formatVotes(movie));
  addControls(parts, movie);
  return root;
}

/** Return the full-width view of a movie. With a kicker it leads a list, and links to its page. */
export function createHero(movie, kicker) {
  const { root, parts } = cloneTemplate("hero");
  const url = movie.backdrop_url ?? movie.poster_url;
  if (url) {
    parts.picture.append(createImage(url, true));
    parts.glow.append(createImage(url, true));
  }
  parts.title.replaceWith(createMovieHeading(movie, kicker));
  parts.kicker.textContent = kicker ?? movie.genres?.map((genre) => genre.name).join(" · ") ?? "";
  parts.tagline.textContent = movie.tagline ?? "";
  parts.overview.textContent = movie.overview ?? "No description in this language.";
  parts.facts.textContent = joinFacts(formatReleaseDate(movie), formatRuntime(movie), formatVotes(movie));
  addControls(parts, movie);
  return root;
}

function createMovieHeading(movie, isLead) {
  if (!isLead) return createHeading("h1", movie.title);
  const link = document.createElement("a");
  link.href = href(movie);
  link.textContent = movie.title;
  return createHeading("h2", link);
}

const joinFacts = (...all) => all.filter(Boolean).join(" · ");
const formatRuntime = ({ runtime }) => runtime && `${Math.floor(runtime / 60)} h ${runtime % 60} min`;
const formatVotes = ({ vote_count, vote_average }) => vote_count && `TMDB ${vote_average.toFixed(1)}`;

function formatReleaseDate({ release_date: date }) {
  const style = { dateStyle: "long", timeZone: "UTC" };
  return date ? new Intl.DateTimeFormat("en", style).format(new Date(date)) : "No release date yet";
}

function addControls({ heart, stars }, { id, title, me }) {
  addHeart(heart, id, title, me.favorite);
  stars.append(createStars(title, me.rating, (chosen) => setRating(id, title, chosen)));
}

function addHeart(heart, id, title, isFavorite) {
  let confirmed = isFavorite;
  const show = (value) => heart.setAttribute("aria-pressed", (isFavorite = value));
  const submit = sendLatest(async (value) => {
    try {
      await setFavorite(id, title, value);
      confirmed = value;
    } catch {
      show(confirmed);
    }
  });
  heart.setAttribute("aria-label", `Favorite ${title}`);
  heart.addEventListener("click", () => {
    show(!isFavorite);
    submit(isFavorite);
  });
  show(isFavorite);
}

function setFavorite(id, title, value) {
  const request = value
    ? call("POST", "/me/favorites", { body: { movie_id: id } })
    : call("DELETE", `/me/favorites/${id}`).catch(ignoreNotFound);
  return reportOutcome(request, title, value ? "added to favorites" : "removed from favorites");
}

function setRating(id, title, stars) {
  const request =
    stars === null
      ? call("DELETE", `/me/ratings/${id}`).catch(ignoreNotFound)
      : call("PUT", `/me/ratings/${id}`, { body: { stars } });
  return reportOutcome(request, title, stars === null ? "rating removed" : `rated ${stars} of 5 stars`);
}

// It may have been removed in another tab already.
function ignoreNotFound(problem) {
  if (problem.status !== 404) throw problem;
}

async function reportOutcome(request, title, outcome) {
  try {
    await request;
    dismissToast();
    announce(`${title}: ${outcome}.`);
  } catch (problem) {
    showToast(problem, `${title}: change not saved.`);
    throw problem;
  }
}
