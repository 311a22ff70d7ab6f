// Client of the control plane; sends the token if one is required.

const BASE = new URL("../", import.meta.url);
const KEY = "sarkmock-token";

export class RequestError extends Error {
  constructor(status, problem) {
    super(problem.place ? `${problem.place}: ${problem.error}` : problem.error);
    this.status = status;
  }
}

// The link that `serve` prints carries the token in the fragment, which is never sent. It is removed from the address bar.
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

// Saves a response as a file.
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
    throw new RequestError(0, { error: "the mock does not respond" });
  }
}

async function read(answer) {
  const text = await answer.text();
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  const content = isJson && text ? JSON.parse(text) : text;
  if (!answer.ok) throw new RequestError(answer.status, content?.error ? content : { error: `${answer.status} ${answer.statusText}` });
  return content;
}

let asking = null;

// One dialog for all requests that were rejected.
function ask(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const input = dialog.querySelector("input");
    dialog.querySelector(".problem").textContent = wrong ? "Wrong token." : "";
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
