"""Determines what a write would change and how to undo it. Withholds writes to rows that the run did not create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sarkmock.suite_api import TRIMMED, UploadedFile, is_secret, to_text

from ..client.http import Request, Response, fill_path
from ..client.target import CachedReads, Client
from ..errors import Withheld
from ..fixtures.keys import Keys, folded_key
from ..judge.oracle import certainly_rejected, verdict
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables, recipe
from .ledger import Ledger, LedgerEntry, Undo, added_names, content_digest, keys_with_prefix, removal_request, stamp
from .restorable import SURELY, Restorable, is_stopped, takes_uploads
from .routing import Meaning
from .target_snapshot import Inventory, shows_something


@dataclass
class Ownership:
    """Judges writes by the run's keys, its ledger and the current rows of the target."""

    contracts: Sequence[Contract]
    client: Client
    keys: Keys
    ledger: Ledger
    before: Inventory = field(default_factory=dict)  # the target snapshot from before the run
    paths: Mapping[str, str | None] = field(default_factory=dict)  # its lists, with the key field of their items
    taken: frozenset[str] = frozenset()  # its keys, as `folded_key` writes them
    _live: dict[int, LiveTables] = field(default_factory=dict)
    _removable: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = self._looks = CachedReads(self.client)
        self.operations = [operation for contract in self.contracts for operation in contract.operations]
        self.keepers = dict(_keepers(self.contracts))
        self.restorable = Restorable(self.client, self.ledger, self._tables, self._methods, self.before)

    def touched(self, meanings: Sequence[Meaning], request: Request) -> list[LedgerEntry]:
        """Return the ledger entries for a request, none if it leaves nothing to undo; raise Withheld if forbidden."""
        reading = [meaning for meaning in meanings if meaning.operation.rules] or meanings
        with self._looks.at_once():  # a version whose operation crashes before it reads a body has no rules
            entries = [self._stop(meanings), *(self._touch(meaning, request) for meaning in meanings
                                               if meaning.operation.action != "crash" or meaning in reading)]
        return [entry for entry in entries if entry is not None]

    def _stop(self, meanings: Sequence[Meaning]) -> LedgerEntry | None:
        """Return an entry that restarts a running PBX at clean-up, if a disruptive request may stop it."""
        disruptive = [meaning.operation.id for meaning in meanings if meaning.operation.hazard == "disruptive"]
        noted = any("running" in step for entry in self.ledger.alive() for step in entry.undo)
        if not disruptive or noted or is_stopped(self.client, self.contracts):
            return None
        return LedgerEntry(disruptive[0], "", None, [{"running": True}])

    def _touch(self, meaning: Meaning, request: Request) -> LedgerEntry | None:
        operation = meaning.operation
        everything, post = request.read()
        _agree(meaning, everything)
        if any(isinstance(value, UploadedFile) for value in everything.values()):
            return self._upload(meaning, everything)
        if takes_uploads(operation):
            self._needs_rejection(meaning, request, None)
            return LedgerEntry(operation.id, meaning.collection)
        if operation.method == "GET":
            return self._command(meaning)
        if operation.method == "POST" and operation.table is not None:
            return self._create(meaning, request, post)
        if operation.method == "POST" and recipe("rows_of", operation.id):
            return self._numbered(meaning, request, post)
        if not operation.parameters:
            return self.restorable.touch(meaning, request, post)
        if operation.table is None and not self._has_get(operation.path):
            return self._runtime(meaning)
        return self._change(meaning, request, post, everything)

    # rows

    def _create(self, meaning: Meaning, request: Request, post: Mapping[str, Any]) -> LedgerEntry | None:
        operation, collection = meaning.operation, meaning.collection
        assert operation.table is not None
        for name in meaning.parameters.values():
            self._ours_or_free(collection, name)
        if operation.table.key not in operation.rules:
            return self._numbered(meaning, request, post)
        key = _key_text(post.get(operation.table.key))
        if key and self._owner(collection, key):
            return None  # a repeated create, which the target must reject
        if collection in self.keepers or not key or not self.keys.mine(key):
            self._needs_rejection(meaning, request, key)
        elif not self.is_free(collection, key):
            raise Withheld("exists already", f"{collection} {key}")
        self._is_removable(collection)
        return LedgerEntry(operation.id, collection, key or None, removal_request(collection, key) if key else ())

    def _numbered(self, meaning: Meaning, request: Request, post: Mapping[str, Any]) -> LedgerEntry:
        """Return the entry of a row whose key the server creates. Its list is searched for the run's prefix."""
        marked = any(isinstance(value, str) and value.startswith(self.keys.prefix) for name, value in post.items()
                     if not is_secret(name))
        if not marked:
            self._needs_rejection(meaning, request, None)
        elif f"/{meaning.collection}" not in self.before:
            self._listed(meaning.collection, must=True)
        self._is_removable(meaning.collection)
        table = meaning.operation.table
        key = table.key if table is not None else recipe("rows_of", meaning.operation.id)["key"]
        step = {"list": f"/{meaning.collection}", "holds": self.keys.prefix, "key": key}
        return LedgerEntry(meaning.operation.id, meaning.collection, None, [step] if marked else [])

    def _needs_rejection(self, meaning: Meaning, request: Request, key: str | None) -> None:
        """Withhold a row not recognisable as the run's, unless the rules reject it and its key is unused."""
        if not self._is_rejected(meaning, request):
            raise Withheld("would not be recognisable as the run's", f"{meaning.collection} {key or ''}".rstrip())
        surely = len(certainly_rejected(meaning.contract, meaning.operation, request)) >= SURELY
        there = self.taken | frozenset(() if surely or not key else map(folded_key, self._listed(meaning.collection)))
        if key and folded_key(key) in there:
            raise Withheld("exists already", f"{meaning.collection} {key}")

    def _is_rejected(self, meaning: Meaning, request: Request) -> bool:
        """Whether a request is rejected by the rules alone, or by the rules and the current rows of the target."""
        contract, operation = meaning.contract, meaning.operation
        if certainly_rejected(contract, operation, request):
            return True
        live = self._tables(contract)
        live.forget()
        return not verdict(contract, operation, request, live).accepted

    def _change(self, meaning: Meaning, request: Request, post: Mapping[str, Any],
                everything: Mapping[str, Any]) -> LedgerEntry | None:
        operation, collection = meaning.operation, meaning.collection
        key = next(iter(meaning.parameters.values()))
        self._ours_or_free(collection, key)
        table = operation.table
        renamed = _key_text(post.get(table.key)) if table is not None and operation.method == "PUT" else ""
        if renamed and renamed != key:
            return self._rename(meaning, renamed)
        pattern = recipe("undo", operation.id)
        return self._leaving(meaning, request, everything, pattern["path"]) if pattern else None

    def _rename(self, meaning: Meaning, key: str) -> LedgerEntry | None:
        """Return an entry for the new key of a renamed row, so that it is removed as well."""
        collection = meaning.collection
        self._ours_or_free(collection, key)
        owner = self._owner(collection, key)
        return None if owner else LedgerEntry(meaning.operation.id, collection, key, removal_request(collection, key))

    def _leaving(self, meaning: Meaning, request: Request, sent: Mapping[str, Any], pattern: str) -> LedgerEntry | None:
        """Return the undo entry of a change that outlives the row. Withhold it if it would replace existing values."""
        response = self.restorable.look(meaning, request, request.path)
        values = response.fields
        names = [name for name in meaning.operation.rules if name in sent]
        undo: list[Mapping[str, Any]] = []
        for name in names if response.status != 404 else ():
            step = self.anyway(fill_path(pattern, {**meaning.parameters, "field": name}))
            if values.get(name) not in (None, "") and not self._written(step):
                raise Withheld("already has a value", f"{request.path} {name}")
            undo.append(step)
        return LedgerEntry(meaning.operation.id, "", None, undo) if undo else None

    def _written(self, step: Mapping[str, Any]) -> bool:
        return any(step in entry.undo for entry in self.ledger.alive())

    # files, values, commands

    def _upload(self, meaning: Meaning, everything: Mapping[str, Any]) -> LedgerEntry:
        collection = meaning.collection
        files = [value for value in everything.values() if isinstance(value, UploadedFile)]
        names = [file.name for file in files]
        if len(names) != 1 or not self.keys.mine(names[0]):
            raise Withheld("is not a name of this run", ", ".join(names))
        if not self._owner(collection, names[0]) and not self.is_free(collection, names[0]):
            raise Withheld("exists already", f"{collection} {names[0]}")
        stored = names[0].removesuffix(".zip")  # a snapshot is uploaded as a zip file and stored unpacked
        undo = [step for name in dict.fromkeys([names[0], stored]) for step in removal_request(collection, name)]
        content = content_digest(files[0].content) if stored == names[0] else ""
        return LedgerEntry(meaning.operation.id, collection, names[0], undo, digest=content)

    def _command(self, meaning: Meaning) -> LedgerEntry | None:
        """Return the entry of a GET command that creates a file, which is found in its list by name and time."""
        links = meaning.contract.links_from(meaning.operation).values()
        makes = any(meaning.contract.by_id[link.target].method == "DELETE" for link in links)
        if not makes:
            return None
        before = self._listed(meaning.collection, must=True)
        step = {"list": f"/{meaning.collection}", "before": before, "since": stamp()}
        return LedgerEntry(meaning.operation.id, meaning.collection, None, [step])

    def _tables(self, contract: Contract) -> LiveTables:
        return self._live.setdefault(id(contract), LiveTables(contract, self.client))

    def _runtime(self, meaning: Meaning) -> LedgerEntry | None:
        """Return the undo entry for a value outside the tables. Withhold it unless its name has the run's prefix."""
        operation = meaning.operation
        first = next(iter(meaning.parameters.values()))
        if not first.startswith(self.keys.prefix):
            raise Withheld("does not belong to this run", f"{operation.id} of {first}")
        pattern = recipe("undo", operation.id)
        if not pattern:
            return None
        return LedgerEntry(operation.id, "", None, [self.anyway(fill_path(pattern["path"], meaning.parameters))])

    def anyway(self, path: str) -> Mapping[str, Any]:
        """Return the undo step for a value: its path with each method other than GET that any profile has there."""
        head, depth = "/".join(path.split("/")[:3]) + "/", path.count("/")
        methods = dict.fromkeys(operation.method for operation in self.operations
                                if operation.path.startswith(head) and operation.path.count("/") == depth)
        return {"any": [[method, path] for method in methods if method != "GET"]}

    # existing rows

    def _ours_or_free(self, collection: str, key: str) -> None:
        """Raise Withheld unless the run created the key, or it is one of the run's keys and no row has it now."""
        if self._owner(collection, key) or self._claim(collection, key):
            return
        if not self.keys.mine(key):
            raise Withheld("does not belong to this run", f"{collection} {key}")
        if self._is_there(collection, key):
            raise Withheld("exists and does not belong to this run", f"{collection} {key}")

    def _owner(self, collection: str, key: str) -> LedgerEntry | None:
        """Return the ledger entry that owns a row. Dependent rows belong to the entry of the row they depend on."""
        places = [(collection, key), (collection, f"{key}.zip"), (self.keepers.get(collection, collection), key)]
        return next((entry for place in places if (entry := self.ledger.owner(*place))), None)

    def _claim(self, collection: str, key: str) -> LedgerEntry | None:
        """Claim a key that the server chose, if the list shows it as a row with the run's prefix or as a new file.

        The response that contained the key is not proof: it may name something that existed before.
        """
        for entry in self.ledger.alive():
            step = entry.undo[0] if entry.undo else {}
            if (entry.collection, entry.key) == (collection, None) and "list" in step:
                if folded_key(key) in self.taken and "holds" not in step:
                    return None
                response = self.client.get(step["list"])
                if key in (keys_with_prefix(step, response) if "holds" in step else
                           added_names(step, keys_listed(self.contracts, collection, response))):
                    self.ledger.settle(entry, "made", key, removal_request(collection, key))
                    return entry
        return None

    def made(self, entry: LedgerEntry, body: Any) -> tuple[str | None, Undo | None]:
        """Return the key of what a response says was created, and its undo steps; None for what is doubtful."""
        step = entry.undo[0] if entry.undo else {}
        if "put" in step:
            return None, [self.restorable.left(step)]
        if entry.key is not None or not isinstance(body, dict) or "holds" in step:
            return entry.key, None
        if "since" in step:  # {"newbackupname": NAME}
            return None, [{**step, "named": next(map(str, body.values()), "")}]
        tables = (operation.table for operation in self.operations if operation.id == entry.operation)
        key = str(body.get(next((table.key for table in tables if table is not None), "")) or "")
        doubtful = not self.keys.mine(key) or folded_key(key) in self.taken or self._owner(entry.collection, key)
        return (None, None) if doubtful else (key, removal_request(entry.collection, key))

    def is_free(self, collection: str, key: str) -> bool:
        """Whether a key is free. The run's prefix is unique; other keys are looked up on the target."""
        own = key.startswith(self.keys.prefix)
        return folded_key(key) not in self.taken and (own or not self._is_there(collection, key))

    def _is_there(self, collection: str, key: str) -> bool:
        """Whether the target has a key now. If reading it is a server error, its list decides."""
        response = self.client.get(f"/{collection}/{quote(key, safe='')}")
        status = 404 if response.json == [] else response.status
        return status != 404 and (status < 500 or key in self._listed(collection))

    def _listed(self, collection: str, must: bool = False) -> list[str]:
        """Return the keys in a collection's list; raise Withheld if it is unreadable but must be, or was, readable."""
        path = f"/{collection}"
        response = self.client.get(path)
        if not shows_something(response) and (must or path in self.before):
            raise Withheld("cannot be read", f"{path} (status {response.status})")
        return keys_listed(self.contracts, collection, response)

    def _is_removable(self, collection: str) -> None:
        """Raise Withheld unless every document, or else the target's Allow header, can delete rows of a collection.

        A target that returns a row for an unused key ignores keys, so that its DELETE cannot be trusted.
        """
        if collection not in self._removable:
            documented = all(_deletes(contract, collection) for contract in self.contracts)
            path = f"/{collection}/{self.keys.prefix}"
            self._removable[collection] = documented or (
                "DELETE" in self._methods(path) and not self.client.get(path).ok)
        if not self._removable[collection]:
            raise Withheld("could not be removed", collection)

    def _methods(self, path: str) -> str:
        """Return the Allow header of the target for a path."""
        return self.client.send(Request("OPTIONS", path)).response.header("Allow") or ""

    def _has_get(self, path: str) -> bool:
        return any(operation.path == path and operation.method == "GET" for operation in self.operations)


def keys_listed(contracts: Sequence[Contract], collection: str, response: Response) -> list[str]:
    """Return the keys in a list of any layout: an object, names, or rows."""
    rows = response.json
    if isinstance(rows, dict):
        return [str(key) for key in rows]
    names = {operation.table.key for contract in contracts for operation in contract.operations
             if operation.table and operation.collection == collection}
    keys = [row if isinstance(row, str) else next((row[name] for name in names if name in row), None)
            for row in rows or () if isinstance(row, (str, dict))]
    return [str(key) for key in keys if key is not None]


def _keepers(contracts: Sequence[Contract]) -> Iterator[tuple[str, str]]:
    """Yield collections whose rows share the key of a row of another one, as class of service and extensions."""
    for contract in contracts:
        for operation in contract.operations:
            maker = recipe("made", operation.id).get(operation.table.key) if operation.table else None
            if maker is not None:
                yield operation.collection, contract.by_id[maker].collection


def _agree(meaning: Meaning, everything: Mapping[str, Any]) -> None:
    """Withhold a request whose path parameter and variable of the same name differ, as PHP may read either."""
    for name, value in meaning.parameters.items():
        if name in everything and _key_text(everything[name]) != value:
            raise Withheld("differs in path and body", f"{name} {value}")


def _key_text(value: Any) -> str:
    """Return a value as a key: PHP's text of it, trimmed; empty for null and arrays."""
    return "" if value is None or isinstance(value, (list, dict)) else to_text(value).strip(TRIMMED)


def _deletes(contract: Contract, collection: str) -> bool:
    """Whether a document can delete the rows of a collection.

    It can if a create operation links to a DELETE, or the rows depend on another row and the collection has a DELETE.
    """
    there = [operation for operation in contract.operations if operation.collection == collection]
    makers = [operation for operation in there
              if operation.method == "POST" and operation.table and operation.status < 300]
    linked = {contract.by_id[name].method for maker in makers for name in contract.links_from(maker)}
    followers = any(recipe("made", maker.id) for maker in makers)
    return not makers or "DELETE" in linked or (followers and any(member.method == "DELETE" for member in there))
