// What orval generates, at work.
import { tenantsCreate, tenantsList } from "./orval/client.js";
import { TenantsCreateBody, TenantsListResponse } from "./orval/schemas.js";
import { expect } from "./expect.js";

const body = { pkey: "acme", description: "Acme", chanmax: 5 };
expect(TenantsCreateBody.safeParse(body).success, "the schema accepts");
expect(!TenantsCreateBody.safeParse({ ...body, masteroclo: "OPEN" }).success, "the schema rejects");

const created = await tenantsCreate(body);
expect(created.status === 201 && created.data.chanmax === "5", "create");
const again = await tenantsCreate(body);
expect(again.status === 409, "conflict");
const listed = await tenantsList();
expect(TenantsListResponse.safeParse(listed.data).success, "the schema accepts rows");

// @ts-expect-error: a tenant needs a description
void (() => tenantsCreate({ pkey: "acme" }));
