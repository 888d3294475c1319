"use strict";

const container = document.getElementById("docs");
const buttons = document.querySelectorAll("#demo [data-token]");

// Swagger UI has dark styles, for a class of <html>.
const dark = matchMedia("(prefers-color-scheme: dark)");
const showColors = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", showColors);
showColors();

/** Return the text of an operation that a search looks through. */
function textOf(tag, each) {
  const texts = ["summary", "description", "operationId"].map((name) => each.getIn(["operation", name]));
  return [tag, each.get("method"), each.get("path"), ...texts].join(" ").toLowerCase();
}

/** Swagger UI searches tags and paths only. Here, every word may be anywhere in an operation. */
function findOperations(groups, phrase) {
  const words = phrase.toLowerCase().split(/\s+/);
  const matches = (tag) => (each) => words.every((word) => textOf(tag, each).includes(word));
  return groups
    .map((group, tag) => group.update("operations", (all) => all.filter(matches(tag))))
    .filter((group) => group.get("operations").size > 0);
}

function nameSearch() {
  const input = container.querySelector(".operation-filter-input");
  input.placeholder = "Search, such as: get favorites";
  input.setAttribute("aria-label", "Search operations");
}

function markActiveToken() {
  const token = ui.authSelectors.authorized()?.getIn(["bearer", "value"]);
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.token === token));
  }
}

function offerTokens() {
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => {
      ui.preauthorizeApiKey("bearer", button.dataset.token);
      ui.authActions.persistAuthorizationIfNeeded();
    });
  }
  ui.getStore().subscribe(markActiveToken);
  markActiveToken();
}

const ui = SwaggerUIBundle({
  domNode: container,
  url: container.dataset.contract,
  plugins: [() => ({ fn: { opsFilter: findOperations } })],
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  onComplete: () => {
    nameSearch();
    offerTokens();
  },
});
