// Stars from 0 to 5 in half steps. 0 is a rating; null means not rated.

import { cloneTemplate, sendLatest } from "./parts.js";

/** Return the stars of a movie. Calls `send(stars)` after each choice; if it throws, reverts the choice. */
export function createStars(title, rating, send) {
  const { root, parts } = cloneTemplate("stars");
  const { slider, clear, count } = parts;
  let confirmed = rating;

  const show = (stars) => {
    rating = stars;
    slider.value = stars ?? 0;
    root.classList.toggle("rated", stars > 0);
    root.classList.toggle("zero", stars === 0);
    highlight(stars ?? 0);
    slider.setAttribute("aria-valuetext", stars === null ? "not rated" : `${stars} of 5 stars`);
    clear.hidden = stars === null;
    count.textContent = stars ?? "";
    clear.setAttribute("aria-label", `Remove ${stars}-star rating for ${title}`);
  };
  const highlight = (stars) => root.style.setProperty("--lit", stars / 5);
  const submit = sendLatest(async (stars) => {
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
    submit(stars);
  };

  slider.setAttribute("aria-label", `Stars for ${title}`);
  slider.addEventListener("input", () => highlight(slider.value));
  slider.addEventListener("change", () => choose(Number(slider.value)));
  // A slider at 0 fires no "change" event when it is set to 0 again, but not rated and 0 differ.
  slider.addEventListener("pointerup", () => choose(Number(slider.value)));
  slider.addEventListener("keydown", ({ key }) => {
    if (/^[0-5]$/.test(key)) choose(Number(key));
    if (/^(Home|ArrowLeft|ArrowDown|PageDown)$/.test(key) && rating === null) choose(0);
    if (/^(Delete|Backspace)$/.test(key)) choose(null);
  });
  slider.addEventListener("pointermove", ({ buttons, offsetX }) => {
    if (!buttons) highlight(Math.min(Math.max(Math.round((offsetX / slider.clientWidth) * 11 - 0.5), 0), 10) / 2);
  });
  slider.addEventListener("pointerleave", () => highlight(rating ?? 0));
  clear.addEventListener("click", () => {
    choose(null);
    slider.focus();
  });
  show(rating);
  return root;
}
