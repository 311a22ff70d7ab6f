// The page's views by the # of its address, one at a time; what a view started ends when it is left.

import { get, takeToken } from "./api.js";
import { suggestions, toast } from "./dom.js";
import { navigation, watchStatus } from "./shell.js";
import { controls } from "./controls.js";
import { deviations } from "./deviations.js";
import { journal } from "./journal.js";
import { tables } from "./tables.js";

const VIEWS = { journal, tables, controls, deviations };
const main = document.getElementById("view");
let leave = null;

async function route() {
  const [name, ...rest] = location.hash.slice(1).split("/").map(decodeURIComponent);
  const view = Object.hasOwn(VIEWS, name) ? name : "journal";
  leave?.abort();
  leave = new AbortController();
  navigation(`./#${view}`);
  document.title = `${view[0].toUpperCase()}${view.slice(1)} · sarkmock`;
  main.replaceChildren();
  try {
    await VIEWS[view](main, rest, leave.signal);
  } catch (error) {
    toast(error.message, "problem");
  }
}

takeToken();
addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
await route();
watchStatus();
const { paths } = await get("openapi.json");
suggestions("operations", Object.values(paths).flatMap((item) => Object.values(item).map((one) => one?.operationId)).filter(Boolean));
