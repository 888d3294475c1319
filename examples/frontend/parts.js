// Small helpers that the other modules share.

/** Clone a template. Returns its root element, and its parts by name. */
export function cloneTemplate(id) {
  const root = document.getElementById(id).content.cloneNode(true);
  const parts = {};
  for (const each of root.querySelectorAll("[data-part]")) parts[each.dataset.part] = each;
  return { root: root.childElementCount === 1 ? root.firstElementChild : root, parts };
}

/** Return a function that sends values one at a time, and of those that arrive meanwhile only the last. */
export function sendLatest(send) {
  let pending = [];
  let isBusy = false;
  return async (value) => {
    pending = [value];
    if (isBusy) return;
    isBusy = true;
    while (pending.length) await send(pending.pop());
    isBusy = false;
  };
}

/** Return a function that calls `action` with its last value after a pause of `milliseconds`. */
export function debounce(milliseconds, action) {
  let timer;
  return (value) => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds, value);
  };
}

/** Save a file with the browser's download dialog. */
export function saveFile(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(URL.revokeObjectURL, 10_000, link.href);
}

/** Announce a text to screen readers. */
export function announce(text) {
  document.getElementById("announcement").textContent = text;
}

/** Return a heading that can receive focus. */
export function createHeading(level, ...content) {
  const heading = document.createElement(level);
  heading.tabIndex = -1;
  heading.append(...content);
  return heading;
}

/** Return an image that removes itself if it fails to load. */
export function createImage(url, eager = false) {
  const image = new Image();
  image.alt = "";
  image.loading = eager ? "eager" : "lazy";
  image.addEventListener("error", () => image.remove());
  image.src = url;
  return image;
}

/** Format a duration, such as "3 minutes". */
export function formatDuration(seconds) {
  const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(
    ([, size]) => seconds >= size || size === 1,
  );
  const style = { style: "unit", unit, unitDisplay: "long" };
  return new Intl.NumberFormat("en", style).format(Math.floor(seconds / size));
}
