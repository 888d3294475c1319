// Stars from 0 to 5 in half steps. 0 is a rating; null means not rated.

import { fill, oneAtATime } from "./parts.js";

/** Return the stars of a movie. Calls `send(stars)` with each choice, which may throw. */
export function starsOf(title, rating, send) {
  const { root, parts } = fill("stars");
  const { scale, back, count } = parts;
  let confirmed = rating;

  const show = (stars) => {
    rating = stars;
    scale.value = stars ?? 0;
    root.classList.toggle("rated", stars > 0);
    root.classList.toggle("zero", stars === 0);
    light(stars ?? 0);
    scale.setAttribute("aria-valuetext", stars === null ? "not rated" : `${stars} of 5 stars`);
    back.hidden = stars === null;
    count.textContent = stars ?? "";
    back.setAttribute("aria-label", `Remove ${stars}-star rating for ${title}`);
  };
  const light = (stars) => root.style.setProperty("--lit", stars / 5);
  const sent = oneAtATime(async (stars) => {
    try {
      await send(stars);
      confirmed = stars;
    } catch {
      show(confirmed);
    }
  });
  const choose = (stars) => {
    if (stars === rating) return;
    show(stars);
    sent(stars);
  };

  scale.setAttribute("aria-label", `Stars for ${title}`);
  scale.addEventListener("input", () => light(scale.value));
  scale.addEventListener("change", () => choose(Number(scale.value)));
  // A slider at 0 fires no "change" when it is set to 0 again, but not rated and 0 differ.
  scale.addEventListener("pointerup", () => choose(Number(scale.value)));
  scale.addEventListener("keydown", ({ key }) => {
    if (/^[0-5]$/.test(key)) choose(Number(key));
    if (/^(Home|ArrowLeft|ArrowDown|PageDown)$/.test(key) && rating === null) choose(0);
    if (/^(Delete|Backspace)$/.test(key)) choose(null);
  });
  scale.addEventListener("pointermove", ({ buttons, offsetX }) => {
    if (!buttons) light(Math.min(Math.max(Math.round((offsetX / scale.clientWidth) * 11 - 0.5), 0), 10) / 2);
  });
  scale.addEventListener("pointerleave", () => light(rating ?? 0));
  back.addEventListener("click", () => {
    choose(null);
    scale.focus();
  });
  show(rating);
  return root;
}
