// A small front end on the contract: what is popular with hearts and stars, keeping and rating,
// and what to do when something cannot be fulfilled.

import createClient from "openapi-fetch";

import type { components, paths } from "./build/butaca";

type Movie = components["schemas"]["Movie"];
type Problem = components["schemas"]["Problem"];

type Next =
  | { do: "sign in" }
  | { do: "retry"; seconds: number }
  | { do: "show"; text: string };

export function connect(baseUrl: string, token: string) {
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
}

type Butaca = ReturnType<typeof connect>;

export async function popular(butaca: Butaca, page: number): Promise<string[] | Next> {
  const { data, error, response } = await butaca.GET("/api/v1/movies/popular", {
    params: { query: { page, include: "me", language: "es-AR" } },
  });
  return error ? next(error, response) : data.results.map(card);
}

export async function keep(butaca: Butaca, movieId: number): Promise<string | Next> {
  const { data, error, response } = await butaca.POST("/api/v1/me/favorites", {
    body: { movie_id: movieId },
  });
  if (error) return next(error, response);
  const series = data.movie.belongs_to_collection?.name ?? "no collection";
  return `${data.movie.title}, ${series}, ${data.rating?.toFixed(1) ?? "not rated"}`;
}

export async function rate(butaca: Butaca, movieId: number, stars: number): Promise<Date | Next> {
  const { data, error, response } = await butaca.PUT("/api/v1/me/ratings/{movie_id}", {
    params: { path: { movie_id: movieId } },
    body: { stars },
  });
  return error ? next(error, response) : new Date(data.corrected_at ?? data.rated_at);
}

export async function forget(butaca: Butaca, movieId: number): Promise<true | Next> {
  const { error, response } = await butaca.DELETE("/api/v1/me/favorites/{movie_id}", {
    params: { path: { movie_id: movieId } },
  });
  if (!error || error.code === "favorite-not-found") return true;
  return next(error, response);
}

export async function whatIsMine(butaca: Butaca): Promise<string | Next> {
  const { data, error, response } = await butaca.GET("/api/v1/me/export", {
    params: { query: { format: "csv" } },
    parseAs: "text",
  });
  return error ? next(error, response) : data;
}

function card(movie: Movie): string {
  const year = movie.release_date?.slice(0, 4) ?? "someday";
  const heart = movie.me?.favorite ? "♥" : "♡";
  const stars = movie.me?.rating ?? null;
  return `${heart} ${movie.title} (${year}) ${stars === null ? "" : "★".repeat(stars)}`;
}

function next(problem: Problem, response: Response): Next {
  switch (problem.code) {
    case "unauthorized":
      return { do: "sign in" };
    case "too-many-requests":
    case "library-busy":
    case "library-unavailable":
    case "catalogue-busy":
    case "catalogue-unavailable":
    case "catalogue-timed-out":
      return { do: "retry", seconds: Number(response.headers.get("Retry-After") ?? 5) };
    case "unprocessable-content":
      return { do: "show", text: (problem.errors ?? []).map((each) => each.message).join(" ") };
    default:
      return { do: "show", text: problem.detail };
  }
}
