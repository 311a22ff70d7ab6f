// Talks to the control plane beside this page, with the token if it wants one. Knows no view.

const BASE = new URL("../", import.meta.url);
const KEY = "sarkmock-token";

export class Refused extends Error {
  constructor(status, told) {
    super(told.place ? `${told.place}: ${told.error}` : told.error);
    this.status = status;
  }
}

// A link that the mock printed may carry the token behind the #, which no server sees; it leaves the address bar at once.
export function takeToken() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (!given) return;
  sessionStorage.setItem(KEY, decodeURIComponent(given[1]));
  history.replaceState(null, "", location.pathname);
}

export const token = () => sessionStorage.getItem(KEY);

export async function call(method, path, body) {
  for (;;) {
    const answer = await send(method, path, body);
    if (answer.status !== 401) return read(answer);
    await ask(token() !== null);
  }
}

export const get = (path) => call("GET", path);
export const address = (path) => new URL(path, BASE);

// Has the browser save an answer as a file.
export async function download(path, type, name) {
  const answer = await send("GET", path, undefined, type);
  if (!answer.ok) await read(answer);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function send(method, path, body, type = "application/json") {
  const headers = { Accept: type };
  if (token() !== null) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = typeof body === "string" ? "application/yaml" : "application/json";
  const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  try {
    return await fetch(address(path), { method, headers, body: content, cache: "no-store" });
  } catch {
    throw new Refused(0, { error: "the mock does not answer" });
  }
}

async function read(answer) {
  const text = await answer.text();
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const content = isJson && text ? JSON.parse(text) : text;
  if (!answer.ok) throw new Refused(answer.status, content?.error ? content : { error: `${answer.status} ${answer.statusText}` });
  return content;
}

let asking = null;

// One dialog, however many requests were refused.
function ask(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const input = dialog.querySelector("input");
    dialog.querySelector(".problem").textContent = wrong ? "That is not the token." : "";
    input.value = "";
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEY, input.value.trim());
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
