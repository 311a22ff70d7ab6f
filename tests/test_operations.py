"""Routing requests to operations as Laravel's router does."""

import pytest

from sarkmock.http.replies import MethodNotAllowed, NoRoute, PageNotFound
from sarkmock.spec.loading import load
from sarkmock.spec.operations import Router, compile_document


@pytest.fixture(scope="module")
def router():
    return Router(compile_document(load()))


@pytest.mark.parametrize(("method", "path", "operation", "parameters"), [
    ("GET", "tenants", "tenants.list", {}),
    ("GET", "/tenants", "tenants.list", {}),
    ("HEAD", "tenants", "tenants.list", {}),
    ("GET", "tenants/acme", "tenants.show", {"tenant": "acme"}),
    ("DELETE", "tenants/a b", "tenants.delete", {"tenant": "a b"}),
    ("GET", "backups/new", "backups.new", {}),
    ("GET", "backups/old", "backups.download", {"backup": "old"}),
    ("POST", "extensions/mailbox", "extensions.create.mailbox", {}),
    ("GET", "extensions/mailbox", "extensions.show", {"extension": "mailbox"}),
    ("GET", "astamis/QueueStatus", "astamis.QueueStatus.list", {}),
    ("GET", "astamis/QueueStatus/support", "astamis.QueueStatus.show", {"id": "support"}),
])
def test_request_is_routed_to_operation(router, method, path, operation, parameters):
    matched, values = router.find(method, path)
    assert (matched.id, values) == (operation, parameters)


@pytest.mark.parametrize("path", ["nosuch", "tenants/a/b", "TENANTS", "tenants//acme", "//tenants"])
def test_unknown_path_is_page_not_found(router, path):
    with pytest.raises(PageNotFound):
        router.find("GET", path)


@pytest.mark.parametrize("path", ["", "/", "tenants/\udcff"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_root_and_invalid_utf8_have_no_route(router, method, path):
    with pytest.raises(NoRoute):
        router.find(method, path)


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("POST", "tenants/default", "GET, HEAD, PUT, DELETE"),
    ("PATCH", "agents/1000", "GET, HEAD, PUT, DELETE"),
    ("DELETE", "destinations", "GET, HEAD"),
    ("POST", "nosuch", "GET, HEAD"),
    ("PUT", "extensions/mailbox", None),
    ("DELETE", "globals", "GET, HEAD, PUT"),
    ("PATCH", "extensions/mailbox", "GET, HEAD, POST, PUT, DELETE"),
])
def test_unsupported_method_lists_allowed_methods(router, method, path, allowed):
    if allowed is None:
        assert router.find(method, path)
        return
    with pytest.raises(MethodNotAllowed) as caught:
        router.find(method, path)
    assert caught.value.supported == allowed
