// Small helpers that the other modules share.

/** Clone a template. Returns its root element, and its parts by name. */
export function fill(id) {
  const root = document.getElementById(id).content.cloneNode(true);
  const parts = {};
  for (const each of root.querySelectorAll("[data-part]")) parts[each.dataset.part] = each;
  return { root: root.childElementCount === 1 ? root.firstElementChild : root, parts };
}

/** Send values one at a time. Of the values that arrive during a request, send only the last. */
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

/** Debounce: call with the last value once no other arrives for that many milliseconds. */
export function afterwards(milliseconds, act) {
  let timer;
  return (value) => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds, value);
  };
}

/** Let the browser save a file. */
export function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(URL.revokeObjectURL, 10_000, link.href);
}

/** Announce a text to screen readers. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Return a heading that can receive focus. */
export function headed(level, ...content) {
  const heading = document.createElement(level);
  heading.tabIndex = -1;
  heading.append(...content);
  return heading;
}

/** Return an image that removes itself if it fails to load. */
export function picture(url, eager = false) {
  const image = new Image();
  image.alt = "";
  image.loading = eager ? "eager" : "lazy";
  image.addEventListener("error", () => image.remove());
  image.src = url;
  return image;
}

/** Return a duration in words, such as "3 minutes". */
export function lasting(seconds) {
  const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(
    ([, size]) => seconds >= size || size === 1,
  );
  const style = { style: "unit", unit, unitDisplay: "long" };
  return new Intl.NumberFormat("en", style).format(Math.floor(seconds / size));
}
