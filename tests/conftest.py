"""What all tests share: nothing that a test starts takes itself for a worker of the run it is part of."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def not_a_worker():
    """The suite writes files of its own for each worker of pytest-xdist, which it knows by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_XDIST_WORKER", raising=False)
        yield
