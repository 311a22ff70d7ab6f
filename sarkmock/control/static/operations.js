// The operations of the API by id, from the document; fetched once.

import { get } from "./api.js";

let asked = null;

// Operation id -> its tag in the reference.
export function operations() {
  asked ??= get("openapi.json").then(({ paths }) => new Map(Object.values(paths).flatMap((item) => Object.values(item))
    .filter((one) => one?.operationId).map((one) => [one.operationId, one.tags[0]])));
  return asked;
}

// A tag as in the reference: Swagger UI cannot link to tags with a slash.
export const sectionOf = (tag) => tag.replaceAll("/", ", ");

// The link to an operation in the reference.
export async function referenceOf(id) {
  const tag = (await operations()).get(id);
  return tag && `reference#/${sectionOf(tag).replaceAll(" ", "%20")}/${encodeURIComponent(id)}`;
}
