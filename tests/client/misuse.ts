// What must not compile. An expectation of an error that is met by none is an error itself.

import type { components } from "./build/butaca";
import { connect } from "./program";

type Schemas = components["schemas"];

const butaca = connect("http://127.0.0.1:8000", "1234567890");

export function nullIsNotForgotten(
  movie: Schemas["Movie"],
  details: Schemas["MovieDetails"],
  favorite: Schemas["Favorite"],
  rating: Schemas["Rating"],
): unknown[] {
  return [
    // @ts-expect-error: TMDB may know no date
    movie.release_date.slice(0, 4),
    // @ts-expect-error: nor a picture
    movie.poster_url.length,
    // @ts-expect-error: nor how long it takes
    details.runtime + 1,
    // @ts-expect-error: it need not belong to a collection
    details.belongs_to_collection.name,
    // @ts-expect-error: the marks are there with include=me alone
    movie.me.favorite,
    // @ts-expect-error: what is kept need not be rated
    favorite.rating.toFixed(1),
    // @ts-expect-error: what is rated need not be corrected
    rating.corrected_at.slice(0, 4),
  ];
}

export function nothingIsMadeUp(movie: Schemas["Movie"], problem: Schemas["Problem"]): unknown[] {
  return [
    // @ts-expect-error: a list has no runtime
    movie.runtime,
    // @ts-expect-error: it is named `vote_average`
    movie.voteAverage,
    // @ts-expect-error: there is no such code
    problem.code === "movie-not-fund",
    // @ts-expect-error: only 422 lists what is wrong
    problem.errors.length,
  ];
}

export async function whatIsAskedForIsDeclared(): Promise<void> {
  // @ts-expect-error: there is no such path
  await butaca.GET("/api/v1/movies/populars");
  // @ts-expect-error: there is no such parameter
  await butaca.GET("/api/v1/movies/popular", { params: { query: { pages: 2 } } });
  // @ts-expect-error: `me` is all that can be included
  await butaca.GET("/api/v1/movies/popular", { params: { query: { include: "you" } } });
  // @ts-expect-error: a search needs words
  await butaca.GET("/api/v1/movies/search");
  // @ts-expect-error: and an ID its number
  await butaca.GET("/api/v1/movies/{movie_id}", { params: { path: { movie_id: "550" } } });
  // @ts-expect-error: a body is required
  await butaca.POST("/api/v1/me/favorites");
  // @ts-expect-error: stars are a number
  await butaca.PUT("/api/v1/me/ratings/{movie_id}", { params: { path: { movie_id: 1 } }, body: { stars: "5" } });
}

export async function aProblemIsNoAnswer(): Promise<unknown[]> {
  const { data, error } = await butaca.GET("/api/v1/me");
  return [
    // @ts-expect-error: there may be none
    data.name,
    // @ts-expect-error: and there need not be a problem
    error.code,
  ];
}
