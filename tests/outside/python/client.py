"""What openapi-python-client generates, at work: five verbs of tenants, and a download."""

from __future__ import annotations

import sys

from sarkclient import Client
from sarkclient.api.backups import backups_download
from sarkclient.api.tenants import tenants_create, tenants_delete, tenants_list, tenants_show, tenants_update
from sarkclient.models import NotFound, TenantCreate, TenantCreated, TenantUpdate
from sarkclient.types import File

client = Client(base_url=sys.argv[1])

created = tenants_create.sync(client=client, body=TenantCreate(pkey="acme", description="Acme", chanmax=5))
assert isinstance(created, TenantCreated)
assert (created.pkey, created.chanmax) == ("acme", "5")
listed = tenants_list.sync(client=client)
assert listed is not None
assert [tenant.pkey for tenant in listed] == ["acme", "default"]

changed = tenants_update.sync("acme", client=client, body=TenantUpdate(description="Acme Ltd"))
assert changed is not None
assert changed.to_dict()["description"] == "Acme Ltd"
rejected = tenants_update.sync("acme", client=client, body=TenantUpdate(operator="x"))
assert rejected is not None
assert rejected.to_dict() == {"operator": ["The operator must be an integer."]}

tenants_delete.sync("acme", client=client)
gone = tenants_show.sync("acme", client=client)
assert isinstance(gone, NotFound)

backup = backups_download.sync(sys.argv[2], client=client)
assert isinstance(backup, File)
assert backup.payload.read(2) == b"PK"
