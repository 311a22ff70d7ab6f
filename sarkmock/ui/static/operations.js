// The operations of the API by their id, from its document; asked for once.

import { get } from "./api.js";

let asked = null;

// Operation id -> the tag under which the reference has it.
export function operations() {
  asked ??= get("openapi.json").then(({ paths }) => new Map(Object.values(paths).flatMap((item) => Object.values(item))
    .filter((one) => one?.operationId).map((one) => [one.operationId, one.tags[0]])));
  return asked;
}

// A tag as the reference has it: Swagger UI finds none by its address that has a slash.
export const sectionOf = (tag) => tag.replaceAll("/", ", ");

// Where the reference has an operation.
export async function referenceOf(id) {
  const tag = (await operations()).get(id);
  return tag && `reference#/${sectionOf(tag).replaceAll(" ", "%20")}/${encodeURIComponent(id)}`;
}
