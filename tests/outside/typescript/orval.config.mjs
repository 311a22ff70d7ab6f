// A client with fetch, and Zod schemas.
const input = "./openapi.yaml";

export default {
  client: { input, output: { target: "./orval/client.ts", client: "fetch", baseUrl: process.env.BASE_URL ?? "" } },
  schemas: { input, output: { target: "./orval/schemas.ts", client: "zod" } },
};
