// What openapi-typescript generates, at work with openapi-fetch: creates, lists, shows, changes and deletes a tenant.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";
import { expect, url } from "./expect.js";

const client = createClient<paths>({ baseUrl: url });

const created = await client.POST("/tenants", { body: { pkey: "acme", description: "Acme", chanmax: 5 } });
expect(created.response.status === 201 && created.data?.chanmax === "5", "create");

const listed = await client.GET("/tenants");
expect(listed.data?.map((tenant) => tenant.pkey).join() === "acme,default", "list");

const path = { tenant: "acme" };
const changed = await client.PUT("/tenants/{tenant}", { params: { path }, body: { description: "Acme Ltd" } });
expect(changed.data?.description === "Acme Ltd", "update");

const rejected = await client.PUT("/tenants/{tenant}", { params: { path }, body: { operator: "x" } });
expect(rejected.error !== undefined && "operator" in rejected.error, "reject");

const shown = await client.GET("/tenants/{tenant}", { params: { path } });
expect(shown.data?.description === "Acme Ltd", "show");

const deleted = await client.DELETE("/tenants/{tenant}", { params: { path } });
expect(deleted.response.status === 204, "delete");

const gone = await client.GET("/tenants/{tenant}", { params: { path } });
expect(gone.response.status === 404, "gone");

// What the document does not say must not compile.
// @ts-expect-error: there is no such path
void (() => client.GET("/nosuch"));
// @ts-expect-error: a tenant needs a description
void (() => client.POST("/tenants", { body: { pkey: "acme" } }));
// @ts-expect-error: masteroclo is AUTO or CLOSED
void (() => client.PUT("/tenants/{tenant}", { params: { path }, body: { masteroclo: "OPEN" } }));
// @ts-expect-error: destinations cannot be created
void (() => client.POST("/destinations"));
