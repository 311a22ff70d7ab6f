// What @hey-api/openapi-ts generates, at work.
import { client } from "./hey/client.gen.js";
import { tenantsCreate, tenantsList } from "./hey/sdk.gen.js";
import { zTenant, zTenantCreate } from "./hey/zod.gen.js";
import { expect, url } from "./expect.js";

client.setConfig({ baseUrl: url });
const body = { pkey: "acme", description: "Acme", chanmax: 5 };
expect(zTenantCreate.safeParse(body).success, "the schema accepts");
expect(!zTenantCreate.safeParse({ ...body, masteroclo: "OPEN" }).success, "the schema rejects");

const created = await tenantsCreate({ body });
expect(created.data?.chanmax === "5", "create");
const again = await tenantsCreate({ body });
expect(again.response?.status === 409 && again.error !== undefined, "conflict");
const listed = await tenantsList();
expect(listed.data?.every((tenant) => zTenant.safeParse(tenant).success) ?? false, "the schema accepts rows");

// @ts-expect-error: a tenant needs a description
void (() => tenantsCreate({ body: { pkey: "acme" } }));
