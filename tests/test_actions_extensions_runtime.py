"""Runtime values of an extension in both profiles, called through an engine."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.http.replies import Reply
from tests import extensions
from tests.engines import send
from tests.extensions import create

engine_of = extensions.engine_of  # used by the fixtures


class TestRuntime:
    def runtime(self, engine: Engine, **values: Any) -> Reply:
        return send(engine, "PUT", "extensions/1001/runtime", values)

    def values(self, engine: Engine) -> dict[str, str]:
        return send(engine, "GET", "extensions/1001/runtime").body  # type: ignore[no-any-return]

    def test_values_are_stored_in_asterisk_database(self, documented: Engine) -> None:
        create(documented)
        assert self.values(documented) == {"cfim": "", "cfbs": "", "ringdelay": ""}
        reply = self.runtime(documented, cfim="+441", cfbs=1002, ringdelay=30)
        assert (reply.status, reply.body) == (204, None)
        assert self.values(documented) == {"cfim": "+441", "cfbs": "1002", "ringdelay": "30"}
        assert send(documented, "GET", "astamis/DBget/cfbs/1001").body == {"1001": "1002"}
        send(documented, "PUT", "astamis/DBdel/cfim/1001")
        assert self.values(documented)["cfim"] == ""

    def test_zero_is_stored_for_cfim_only(self, documented: Engine) -> None:
        create(documented)
        assert self.runtime(documented, cfim=0, cfbs="0", ringdelay=0).status == 204
        assert self.values(documented) == {"cfim": "0", "cfbs": "", "ringdelay": ""}

    def test_null_changes_nothing(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441", cfbs="442", ringdelay=5)
        assert self.runtime(documented, cfim=None, cfbs="", ringdelay=None).status == 204
        assert self.values(documented) == {"cfim": "441", "cfbs": "442", "ringdelay": "5"}

    def test_published_versions_reject_null_forwarding(self, shipped: Engine) -> None:
        create(shipped)
        reply = self.runtime(shipped, cfim=None, cfbs="", ringdelay=None)
        assert reply.body == {"cfim": ["The cfim format is invalid."], "cfbs": ["The cfbs format is invalid."]}

    @pytest.mark.parametrize(("values", "fields"), [
        ({"cfim": "+"}, ["cfim"]), ({"cfim": "1 2"}, ["cfim"]), ({"cfbs": -1}, ["cfbs"]), ({"cfbs": True}, ["cfbs"]),
        ({"ringdelay": "07"}, ["ringdelay"]), ({"ringdelay": 1.5, "cfim": []}, ["cfim", "ringdelay"])])
    def test_runtime_rules(self, documented: Engine, values: dict[str, Any], fields: list[str]) -> None:
        create(documented)
        reply = self.runtime(documented, **values)
        assert (reply.status, list(reply.body)) == (422, fields)

    def test_values_survive_deletion_of_extension(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441")
        send(documented, "DELETE", "extensions/1001")
        assert send(documented, "GET", "extensions/1001/runtime").status == 404
        create(documented)
        assert self.values(documented)["cfim"] == "441"

    def test_values_require_running_pbx(self, documented: Engine) -> None:
        create(documented)
        documented.state.pbx.stop()
        assert send(documented, "GET", "extensions/1001/runtime").status == 503
        assert self.runtime(documented, cfim="441").status == 503
        assert self.runtime(documented, cfim="x").status == 422
        assert send(documented, "GET", "extensions/9999/runtime").status == 404
        documented.state.pbx.start()
        assert self.values(documented)["cfim"] == ""
