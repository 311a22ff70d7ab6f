// The API's reference by Swagger UI, whose requests go to this mock. Its text is ours, its answers are shown by it.

import { address, get, takeToken, token } from "./api.js";
import { sectionOf } from "./operations.js";
import { navigation } from "./shell.js";

const DOCUMENTS = { api: ["openapi.json", "SARK V6 API"], control: ["control.json", "Control plane"] };
const CHOICE = "sarkmock-document";

const dark = matchMedia("(prefers-color-scheme: dark)");
const darken = () => document.documentElement.classList.toggle("dark-mode", dark.matches);

function authorised(request) {
  if (token() !== null && new URL(request.url, location).pathname.startsWith("/_mock/")) {
    request.headers.Authorization = `Bearer ${token()}`;
  }
  return request;
}

function sectioned(spec) {
  for (const tag of spec.tags) tag.name = sectionOf(tag.name);
  for (const operation of Object.values(spec.paths).flatMap((item) => Object.values(item))) {
    if (operation.tags) operation.tags = operation.tags.map(sectionOf);
  }
  return spec;
}

async function open(which) {
  const [path] = DOCUMENTS[which];
  const spec = await get(path);
  const server = which === "api" ? new URL("/api", location) : address("").href.replace(/\/$/, "");
  window.SwaggerUIBundle({
    spec: { ...sectioned(spec), servers: [{ url: String(server), description: "This mock" }] },
    domNode: document.getElementById("reference"),
    presets: [window.SwaggerUIBundle.presets.apis],
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    tryItOutEnabled: true,
    displayOperationId: true,
    displayRequestDuration: true,
    showExtensions: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    requestInterceptor: authorised,
  });
}

takeToken();
navigation("reference");
darken();
dark.addEventListener("change", darken);
const choice = document.querySelector(".which select");
choice.append(...Object.entries(DOCUMENTS).map(([key, [, label]]) => new Option(label, key)));
choice.value = sessionStorage.getItem(CHOICE) ?? "api";
choice.addEventListener("change", () => {
  sessionStorage.setItem(CHOICE, choice.value);
  history.replaceState(null, "", location.pathname);
  location.reload();
});
await open(choice.value);
