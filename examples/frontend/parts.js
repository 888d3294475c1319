// Small pieces of the page that others are made of.

/** Clone a template: its root element, and its parts by their names. */
export function fill(id) {
  const root = document.getElementById(id).content.cloneNode(true);
  const parts = {};
  for (const each of root.querySelectorAll("[data-part]")) parts[each.dataset.part] = each;
  return { root: root.childElementCount === 1 ? root.firstElementChild : root, parts };
}

/** Send values one after the other; of those that come while one is under way, only the last. */
export function oneAtATime(send) {
  let waiting = [];
  let isBusy = false;
  return async (value) => {
    waiting = [value];
    if (isBusy) return;
    isBusy = true;
    while (waiting.length) await send(waiting.pop());
    isBusy = false;
  };
}

/** Call with the last value, once nothing more comes for so many milliseconds. */
export function afterwards(milliseconds, act) {
  let timer;
  return (value) => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds, value);
  };
}

/** Say something to those who listen to the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Return a heading that can be gone to. */
export function headed(level, ...content) {
  const heading = document.createElement(level);
  heading.tabIndex = -1;
  heading.append(...content);
  return heading;
}

/** Return a picture that vanishes where it cannot be had. */
export function picture(url, eager = false) {
  const image = new Image();
  image.alt = "";
  image.loading = eager ? "eager" : "lazy";
  image.addEventListener("error", () => image.remove());
  image.src = url;
  return image;
}

/** Return "3 minutes", and the like. */
export function lasting(seconds) {
  const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(
    ([, size]) => seconds >= size || size === 1,
  );
  const style = { style: "unit", unit, unitDisplay: "long" };
  return new Intl.NumberFormat("en", style).format(Math.floor(seconds / size));
}
