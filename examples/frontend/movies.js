// A movie as a card in a grid and as a full-width screen, with its heart and stars.

import { call } from "./api.js";
import { dismiss, toast } from "./notices.js";
import { fill, headed, oneAtATime, picture, say } from "./parts.js";
import { starsOf } from "./stars.js";

const href = (movie) => `#/movie/${movie.id}`;

/** Return a card; `movie.me` is {favorite, rating}. */
export function cardOf(movie) {
  const { root, parts } = fill("card");
  parts.link.href = href(movie);
  parts.title.textContent = movie.title;
  parts.poster.dataset.title = movie.title;
  if (movie.poster_url) parts.poster.append(picture(movie.poster_url));
  parts.facts.textContent = facts(movie.release_date?.slice(0, 4) ?? "No release date yet", votesOf(movie));
  addMine(parts, movie);
  return root;
}

/** Return the screen of a movie. With a kicker it is the lead of a list, and links to its page. */
export function screenOf(movie, kicker) {
  const { root, parts } = fill("screen");
  const url = movie.backdrop_url ?? movie.poster_url;
  if (url) {
    parts.picture.append(picture(url, true));
    parts.light.append(picture(url, true));
  }
  parts.title.replaceWith(headingOf(movie, kicker));
  parts.kicker.textContent = kicker ?? movie.genres?.map((genre) => genre.name).join(" · ") ?? "";
  parts.tagline.textContent = movie.tagline ?? "";
  parts.overview.textContent = movie.overview ?? "No description in this language.";
  parts.facts.textContent = facts(dateOf(movie), lengthOf(movie), votesOf(movie));
  addMine(parts, movie);
  return root;
}

function headingOf(movie, leads) {
  if (!leads) return headed("h1", movie.title);
  const link = document.createElement("a");
  link.href = href(movie);
  link.textContent = movie.title;
  return headed("h2", link);
}

const facts = (...all) => all.filter(Boolean).join(" · ");
const lengthOf = ({ runtime }) => runtime && `${Math.floor(runtime / 60)} h ${runtime % 60} min`;
const votesOf = ({ vote_count, vote_average }) => vote_count && `TMDB ${vote_average.toFixed(1)}`;

function dateOf({ release_date: date }) {
  const style = { dateStyle: "long", timeZone: "UTC" };
  return date ? new Intl.DateTimeFormat("en", style).format(new Date(date)) : "No release date yet";
}

function addMine({ heart, stars }, { id, title, me }) {
  addHeart(heart, id, title, me.favorite);
  stars.append(starsOf(title, me.rating, (chosen) => rate(id, title, chosen)));
}

function addHeart(heart, id, title, isKept) {
  let confirmed = isKept;
  const show = (wished) => heart.setAttribute("aria-pressed", (isKept = wished));
  const sent = oneAtATime(async (wished) => {
    try {
      await keep(id, title, wished);
      confirmed = wished;
    } catch {
      show(confirmed);
    }
  });
  heart.setAttribute("aria-label", `Favorite ${title}`);
  heart.addEventListener("click", () => {
    show(!isKept);
    sent(isKept);
  });
  show(isKept);
}

function keep(id, title, wished) {
  const request = wished
    ? call("POST", "/me/favorites", { body: { movie_id: id } })
    : call("DELETE", `/me/favorites/${id}`).catch(unlessGone);
  return told(request, title, wished ? "added to favorites" : "removed from favorites");
}

function rate(id, title, stars) {
  const request =
    stars === null
      ? call("DELETE", `/me/ratings/${id}`).catch(unlessGone)
      : call("PUT", `/me/ratings/${id}`, { body: { stars } });
  return told(request, title, stars === null ? "rating removed" : `rated ${stars} of 5 stars`);
}

// It may have been removed in another tab already.
function unlessGone(problem) {
  if (problem.status !== 404) throw problem;
}

async function told(request, title, outcome) {
  try {
    await request;
    dismiss();
    say(`${title}: ${outcome}.`);
  } catch (problem) {
    toast(problem, `${title}: change not saved.`);
    throw problem;
  }
}
