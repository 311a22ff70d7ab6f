"""An extension's runtime values, by requests to an engine of either profile."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.http.replies import Reply
from tests import extensions
from tests.engines import send
from tests.extensions import create

engine_of = extensions.engine_of  # which the fixtures take


class TestRuntime:
    def runtime(self, engine: Engine, **values: Any) -> Reply:
        return send(engine, "PUT", "extensions/1001/runtime", values)

    def values(self, engine: Engine) -> dict[str, str]:
        return send(engine, "GET", "extensions/1001/runtime").body  # type: ignore[no-any-return]

    def test_values_live_in_asterisks_database(self, documented: Engine) -> None:
        create(documented)
        assert self.values(documented) == {"cfim": "", "cfbs": "", "ringdelay": ""}
        reply = self.runtime(documented, cfim="+441", cfbs=1002, ringdelay=30)
        assert (reply.status, reply.body) == (204, None)
        assert self.values(documented) == {"cfim": "+441", "cfbs": "1002", "ringdelay": "30"}
        assert send(documented, "GET", "astamis/DBget/cfbs/1001").body == {"1001": "1002"}
        send(documented, "PUT", "astamis/DBdel/cfim/1001")
        assert self.values(documented)["cfim"] == ""

    def test_only_cfim_may_be_zero(self, documented: Engine) -> None:
        create(documented)
        assert self.runtime(documented, cfim=0, cfbs="0", ringdelay=0).status == 204
        assert self.values(documented) == {"cfim": "0", "cfbs": "", "ringdelay": ""}

    def test_null_changes_nothing(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441", cfbs="442", ringdelay=5)
        assert self.runtime(documented, cfim=None, cfbs="", ringdelay=None).status == 204
        assert self.values(documented) == {"cfim": "441", "cfbs": "442", "ringdelay": "5"}

    def test_the_published_forwardings_cannot_be_null(self, shipped: Engine) -> None:
        create(shipped)
        reply = self.runtime(shipped, cfim=None, cfbs="", ringdelay=None)
        assert reply.body == {"cfim": ["The cfim format is invalid."], "cfbs": ["The cfbs format is invalid."]}

    @pytest.mark.parametrize(("values", "fields"), [
        ({"cfim": "+"}, ["cfim"]), ({"cfim": "1 2"}, ["cfim"]), ({"cfbs": -1}, ["cfbs"]), ({"cfbs": True}, ["cfbs"]),
        ({"ringdelay": "07"}, ["ringdelay"]), ({"ringdelay": 1.5, "cfim": []}, ["cfim", "ringdelay"])])
    def test_rules(self, documented: Engine, values: dict[str, Any], fields: list[str]) -> None:
        create(documented)
        reply = self.runtime(documented, **values)
        assert (reply.status, list(reply.body)) == (422, fields)

    def test_they_outlive_the_extension(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441")
        send(documented, "DELETE", "extensions/1001")
        assert send(documented, "GET", "extensions/1001/runtime").status == 404
        create(documented)
        assert self.values(documented)["cfim"] == "441"

    def test_they_need_a_running_pbx(self, documented: Engine) -> None:
        create(documented)
        documented.state.pbx.stop()
        assert send(documented, "GET", "extensions/1001/runtime").status == 503
        assert self.runtime(documented, cfim="441").status == 503
        assert self.runtime(documented, cfim="x").status == 422
        assert send(documented, "GET", "extensions/9999/runtime").status == 404
        documented.state.pbx.start()
        assert self.values(documented)["cfim"] == ""
