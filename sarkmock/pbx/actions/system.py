"""Global settings, system commands (sark-v6-api.txt lines 552-560), and call detail records as in Master.csv."""

from __future__ import annotations

from collections.abc import Iterable

from sarkmock.http.context import Context
from sarkmock.http.replies import Invalid, PbxUnavailable, PhpError, Reply
from sarkmock.laravel import php
from sarkmock.laravel.php.finfo import EMPTY
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.stored import attachment, with_charset
from sarkmock.pbx.asterisk import PhoneCall
from sarkmock.pbx.state import PbxFile, State, stamp_of


def commit(context: Context) -> Reply:
    """Reload Asterisk, the only visible effect of a commit: the configuration always matches the tables."""
    context.state.pbx.reload()
    return Reply({"message": "System Commit issued"})


def reboot(context: Context) -> Reply:
    context.state.pbx.reboot()
    return Reply({"message": "Reboot issued"})


def run_state(context: Context) -> Reply:
    return Reply({"pbxrunstate": context.state.pbx.running})


def start_pbx(context: Context) -> Reply:
    if context.state.pbx.running:
        raise PbxUnavailable("PBX already running")
    context.state.pbx.start()
    return Reply({"message": "PBX started"})


def stop_pbx(context: Context) -> Reply:
    if not context.state.pbx.running:
        raise PbxUnavailable("PBX not running")
    context.state.pbx.stop()
    return Reply({"message": "PBX stopped"})


def show_example(context: Context) -> Reply:
    """Return the document's example, for a response that never changes."""
    content = context.operation.spec["responses"]["200"]["content"]["application/json"]
    return Reply(content["example"])


def update_globals(context: Context) -> Reply:
    """Return the row as stored: unlike elsewhere, a numeric column turns a number sent as text into a number."""
    crud.update_row(context)
    table, row = crud.table_of(context), crud.current_row(context)
    stored = context.state.tables.first(table.name, table.key, row[table.key])
    return Reply(crud.visible_columns(context, stored or row))


def call_records(context: Context) -> Reply:
    return Reply({"Log": "Master.csv"})


def cdrs(context: Context) -> Reply:
    """Return all records, or the last ``limit``. Unlike all other responses, proxies may cache this download."""
    lines = record_file(context.state).splitlines(keepends=True)
    limit = context.path.get("limit")
    wanted = lines if limit is None else lines[max(len(lines) - int(limit), 0):]
    headers = attachment(f"Master.{int(context.state.clock.now())}.csv")
    headers |= {"Cache-Control": "public", "Accept-Ranges": "bytes"}
    content = b"".join(wanted)
    return Reply(content, headers=headers, content_type=with_charset("text/csv" if content else EMPTY))


def cdrs_shipped(context: Context) -> Reply:
    """Return all records. As in the published code, any limit reads an undefined variable.

    The rule `numeric` concerns the query alone, and rejects null; its message is the example of the 422 response.
    """
    if "limit" in context.input and not php.is_numeric(context.input["limit"]):
        raise Invalid(context.operation.spec["responses"]["422"]["content"]["application/json"]["example"])
    if "limit" not in context.input and "limit" not in context.path:
        return cdrs(context)
    raise PhpError("Undefined variable $limit", field="limit")


LIMIT_NOT_WHOLE = "The {field} must be an integer."


def limit_is_whole(context: Context) -> None:
    limit = context.path["limit"]
    if not limit.isascii() or not limit.isdecimal() or len(limit) > 18:
        context.reject("limit", LIMIT_NOT_WHOLE)


def record_file(state: State) -> bytes:
    """Return the content of Master.csv, after appending the calls that ended since the last read."""
    for call in state.pbx.finished():
        append_record(state, call)
    file = state.files.get(pbx_files.CALL_RECORDS)
    return file.content if file else b""


def append_record(state: State, call: PhoneCall) -> None:
    """Append a finished call."""
    file = state.files.get(pbx_files.CALL_RECORDS)
    content = (file.content if file else b"") + csv_row(call).encode("utf-8", "replace")
    state.files[pbx_files.CALL_RECORDS] = PbxFile(content, call.ends)


def csv_row(call: PhoneCall) -> str:
    """Format a record as Asterisk does: texts are quoted, with quotes doubled; durations are not."""
    (channel, second), (unique, _) = call.names(), call.uniqueids()
    talked = int(call.ends) - int(call.answers) if call.answered else 0
    caller = f'"{call.clid}" <{call.caller}>' if call.clid else call.caller
    before = ("", call.caller, call.target, call.context, caller, channel, second, "Dial", f"SIP/{call.target}",
              stamp_of(call.began), stamp_of(call.answers) if call.answered else "", stamp_of(call.ends))
    after = ("ANSWERED" if call.answered else "NO ANSWER", "DOCUMENTATION", unique, "")
    return f"{quoted(before)},{int(call.ends) - int(call.began)},{talked},{quoted(after)}\n"


def quoted(texts: Iterable[str]) -> str:
    return ",".join('"' + text.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"' for text in texts)
