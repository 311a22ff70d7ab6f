"""Generated clients and models compile, are complete and work; users' code passes type checkers.

Not named test_*, so that `pytest tests` does not run them.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from sarkmock.export.requests import Exported, exported
from sarkmock.suite_api import compile_document, load
from tests.outside.tools import HERE, TOOLS, mocked, run, written

SAMPLES = ("fetch", "hey", "orval")


def typescript(document: Path, base_url: str = "") -> Path:
    """A folder with the output of openapi-typescript, @hey-api/openapi-ts and orval."""
    work = document.parent / "typescript"
    work.mkdir()
    (work / "node_modules").symlink_to(HERE / "node_modules")
    for name in ("tsconfig.json", "orval.config.mjs"):
        shutil.copy(HERE / "typescript" / name, work)
    shutil.copy(document, work / "openapi.yaml")
    run([str(TOOLS / "openapi-typescript"), "openapi.yaml", "-o", "api.d.ts"], work)
    run([str(TOOLS / "openapi-ts"), "-i", "openapi.yaml", "-o", "hey", "-p", "@hey-api/client-fetch", "@hey-api/sdk",
         "zod", "--no-log-file"], work)
    run(["env", f"BASE_URL={base_url}", str(TOOLS / "orval"), "--config", "orval.config.mjs"], work)
    return work


def test_generated_typescript_compiles(document: Path) -> None:
    work = typescript(document)
    run([str(TOOLS / "tsc"), "--project", str(work)], work)


def test_typescript_clients_work(tmp_path: Path) -> None:
    with mocked("documented", "factory") as url:
        work = typescript(written("documented", tmp_path), url)
        for source in (HERE / "typescript").glob("*.ts"):
            shutil.copy(source, work)
        run([str(TOOLS / "tsc"), "--project", str(work)], work)
    for sample in SAMPLES:
        with mocked("documented", "factory", port=int(url.rpartition(":")[2].partition("/")[0])) as url:
            run([str(TOOLS / "esbuild"), f"{sample}.ts", "--bundle", "--platform=node", "--format=esm",
                 f"--outfile={sample}.mjs", "--log-level=error"], work)
            run(["node", f"{sample}.mjs", url], work)


def python_client(document: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package that openapi-python-client generates with the exported configuration."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    work = document.parent
    run([sys.executable, "-m", "sarkmock", "export", "openapi-python-client", "--profile", document.stem,
         "-o", str(work / "config.yaml")])
    run(["openapi-python-client", "generate", "--path", str(document), "--output-path", str(work / "sarkclient"),
         "--meta", "none", "--config", str(work / "config.yaml"), "--overwrite", "--fail-on-warning"])
    return work / "sarkclient"


def test_python_client_has_every_operation(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = python_client(document, monkeypatch)
    functions = {file.stem for file in package.glob("api/*/*.py")} - {"__init__"}
    assert len(functions) == len(compile_document(load(document.stem)))


def test_python_client_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python_client(written("documented", tmp_path), monkeypatch)
    sample = shutil.copy(HERE / "python" / "client.py", tmp_path)
    run([str(TOOLS / "pyright"), "--pythonpath", sys.executable, str(sample)], tmp_path)
    with mocked("documented", "examples") as url:
        run([sys.executable, str(sample), url, "sarkbak.1717236000.zip"], tmp_path)


def imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"models_{file.parent.name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Pydantic looks up type names there
    spec.loader.exec_module(module)
    return module


def test_pydantic_models_accept_every_example(document: Path) -> None:
    file = document.parent / "models.py"
    run([sys.executable, "-m", "datamodel_code_generator", "--input", str(document), "--input-file-type", "openapi",
         "--output", str(file), "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11"])
    with warnings.catch_warnings(action="error"):
        models = imported(file)
    accepted = [getattr(models, name).model_validate(body) for request in exported(load(document.stem))
                if (name := model_of(request)) for body in request.bodies.values()]
    assert accepted


def model_of(request: Exported) -> str:
    """The name of a request body's schema."""
    media = request.operation.spec.get("requestBody", {}).get("content", {}).get("application/json", {})
    return str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]


def test_public_names_are_typed(tmp_path: Path) -> None:
    """Pyright's strict mode rejects unknown types."""
    shutil.copy(HERE / "python" / "user.py", tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    run([str(TOOLS / "pyright"), "--pythonpath", sys.executable, "--project", str(tmp_path)], tmp_path)
