// Shows the view that the fragment of the URL names. Leaving a view aborts what it started.

import { takeToken } from "./api.js";
import { attempt, suggestions } from "./dom.js";
import { navigation, watchStatus } from "./shell.js";
import { controls } from "./controls.js";
import { deviations } from "./deviations.js";
import { journal } from "./journal.js";
import { operations } from "./operations.js";
import { tables } from "./tables.js";

const VIEWS = { journal, tables, controls, deviations };
const main = document.getElementById("view");
let leave = null;

function place() {
  try {
    return location.hash.slice(1).split("/").map(decodeURIComponent);
  } catch {
    return [];  // not a valid fragment
  }
}

async function route() {
  const [name, ...rest] = place();
  const view = Object.hasOwn(VIEWS, name) ? name : "journal";
  leave?.abort();
  leave = new AbortController();
  navigation(`./#${view}`);
  document.title = `${view[0].toUpperCase()}${view.slice(1)} · sarkmock`;
  main.replaceChildren();
  await attempt(() => VIEWS[view](main, rest, leave.signal));
}

takeToken();
addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
await route();
watchStatus();
await attempt(async () => suggestions("operations", [...(await operations()).keys()]));
