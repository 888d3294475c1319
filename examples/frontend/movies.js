// One movie, as a card of a grid and as what is on the screen: with its heart and its stars.

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
  parts.facts.textContent = facts(movie.release_date?.slice(0, 4) ?? "No date yet", votesOf(movie));
  addMine(parts, movie);
  return root;
}

/** Return the screen: a movie in its own light; with a kicker it leads a list, and to its page. */
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
  parts.overview.textContent = movie.overview ?? "There is no description in this language.";
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
  return date ? new Intl.DateTimeFormat("en", style).format(new Date(date)) : "No date yet";
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
  heart.setAttribute("aria-label", `Keep ${title}`);
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
  return told(request, title, wished ? "is kept" : "is kept no longer");
}

function rate(id, title, stars) {
  const request =
    stars === null
      ? call("DELETE", `/me/ratings/${id}`).catch(unlessGone)
      : call("PUT", `/me/ratings/${id}`, { body: { stars } });
  return told(request, title, stars === null ? "has no stars any longer" : `has ${stars} stars`);
}

// Somebody else of us, in another tab, may have been quicker.
function unlessGone(problem) {
  if (problem.status !== 404) throw problem;
}

async function told(request, title, outcome) {
  try {
    await request;
    dismiss();
    say(`${title} ${outcome}.`);
  } catch (problem) {
    toast(problem, `${title}: that did not work.`);
    throw problem;
  }
}
