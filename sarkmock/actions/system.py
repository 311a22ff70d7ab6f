"""System commands: commit, reboot, and the run state of the PBX (sark-v6-api.txt lines 552-560). Knows no tables."""

from __future__ import annotations

from sarkmock.calls import Call
from sarkmock.replies import Reply, Unavailable


def commit(call: Call) -> Reply:
    """The configuration is always what the tables say; what a client can see of a commit is the reload."""
    call.state.pbx.reload()
    return Reply({"message": "System Commit issued"})


def reboot(call: Call) -> Reply:
    call.state.pbx.reboot()
    return Reply({"message": "Reboot issued"})


def run_state(call: Call) -> Reply:
    return Reply({"pbxrunstate": call.state.pbx.running})


def start(call: Call) -> Reply:
    if call.state.pbx.running:
        raise Unavailable("PBX already running")
    call.state.pbx.start()
    return Reply({"message": "PBX started"})


def stop(call: Call) -> Reply:
    if not call.state.pbx.running:
        raise Unavailable("PBX not running")
    call.state.pbx.stop()
    return Reply({"message": "PBX stopped"})


def show_example(call: Call) -> Reply:
    """An answer that never changes is what the document shows."""
    content = call.operation.spec["responses"]["200"]["content"]["application/json"]
    return Reply(content["example"])
