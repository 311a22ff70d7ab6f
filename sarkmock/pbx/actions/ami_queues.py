"""What Asterisk says of queues, agents and mailboxes. Knows the tables, not how answers become JSON.

Agents of a mock never log in, and its queues have no callers.
"""

from __future__ import annotations

import re
from collections import Counter

from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.ami import AmiPacket, Packets, error, listing
from sarkmock.pbx.database import Row
from sarkmock.pbx.state import State

MESSAGE = re.compile(rf"{re.escape(pbx_files.MAILBOXES)}/(.*)/([^/]*)/msg[^/]*\.txt", re.DOTALL)
SERVED = ("queue1", "queue2", "queue3", "queue4", "queue5", "queue6")


def agents(state: State) -> Packets:
    events = [{"Event": "Agents", "Agent": row["pkey"], "Name": row["name"] or "", "Status": "AGENT_LOGGEDOFF"}
              for row in state.tables.rows("agent", order=("pkey",))]
    return listing("Agents will follow", events, "AgentsComplete")


def conference_rooms(state: State) -> Packets:
    return error("No active conferences.")


def queue_status(state: State, name: str | None = None) -> Packets:
    """All queues, or the one of that name, each followed by its members."""
    events = []
    for queue in queues(state, name):
        events += [queue_params(queue), *(queue_member(queue, agent) for agent in members(state, queue))]
    return listing("Queue status will follow", events, "QueueStatusComplete")


def queue_summary(state: State, name: str | None = None) -> Packets:
    events = [{"Event": "QueueSummary", "Queue": queue["pkey"], "LoggedIn": "0", "Available": "0", "Callers": "0",
               "HoldTime": "0", "TalkTime": "0", "LongestHoldTime": "0"} for queue in queues(state, name)]
    return listing("Queue summary will follow", events, "QueueSummaryComplete")


def queues(state: State, name: str | None) -> list[Row]:
    return state.tables.rows("queue", {} if name is None else {"pkey": name}, ("pkey",))


def queue_params(queue: Row) -> AmiPacket:
    settings = configuration(queue)
    return {
        "Event": "QueueParams", "Queue": queue["pkey"], "Max": settings.get("maxlen", "0"),
        "Strategy": settings.get("strategy", "ringall"), "Calls": "0", "Holdtime": "0", "TalkTime": "0",
        "Completed": "0", "Abandoned": "0", "ServiceLevel": settings.get("servicelevel", "0"),
        "ServicelevelPerf": "0.0", "Weight": settings.get("weight", "0")}


def configuration(queue: Row) -> dict[str, str]:
    """The lines ``name=value`` of a queue's configuration."""
    lines = (line.partition("=") for line in (queue["conf"] or "").splitlines())
    return {name.strip(): value.strip() for name, sign, value in lines if sign}


def members(state: State, queue: Row) -> list[Row]:
    """The agents who serve a queue."""
    rows = state.tables.rows("agent", order=("pkey",))
    return [row for row in rows if queue["pkey"] in (row[column] for column in SERVED)]


def queue_member(queue: Row, agent: Row) -> AmiPacket:
    number = agent["pkey"]
    return {
        "Event": "QueueMember", "Queue": queue["pkey"], "Name": agent["name"] or "", "Location": f"Agent/{number}",
        "StateInterface": f"Agent:{number}", "Membership": "static", "Penalty": "0", "CallsTaken": "0",
        "LastCall": "0", "LastPause": "0", "InCall": "0", "Status": "5", "Paused": "0", "PausedReason": ""}


def voicemail_users(state: State) -> Packets:
    """Every extension has a mailbox; without any, Asterisk only acknowledges."""
    rows = [row for row in state.tables.rows("ipphone", order=("pkey",)) if row["pkey"]]
    if not rows:
        return [{"Response": "Success", "Message": "There are no voicemail users currently defined."}]
    counts = message_counts(state)
    events = [voicemail_user(counts, row) for row in rows]
    return listing("Voicemail user list will follow", events, "VoicemailUserEntryComplete")


def voicemail_user(counts: Counter[tuple[str, str]], row: Row) -> AmiPacket:
    number = row["pkey"]
    return {
        "Event": "VoicemailUserEntry", "VMContext": "default", "VoiceMailbox": number, "Fullname": number,
        "Email": row["vmailfwd"] or "", "Pager": "", "ServerEmail": "", "FromString": "", "MailCommand": "",
        "Language": "", "TimeZone": "", "Callback": "", "Dialout": "", "UniqueID": "", "ExitContext": "",
        "SayDurationMinimum": "2", "SayEnvelope": "Yes", "SayCID": "No",
        "AttachMessage": "Yes" if row["vmailfwd"] else "No", "AttachmentFormat": "wav", "DeleteMessage": "No",
        "VolumeGain": "0.00", "CanReview": "No", "CallOperator": "No", "MaxMessageCount": "100",
        "MaxMessageLength": "0", "NewMessageCount": str(counts[number, "INBOX"]),
        "OldMessageCount": str(counts[number, "Old"])}


def mailbox_count(state: State, mailbox: str) -> Packets:
    found = message_counts(state)
    counts = {name: str(found[mailbox, folder])
              for name, folder in (("UrgMessages", "Urgent"), ("NewMessages", "INBOX"), ("OldMessages", "Old"))}
    return [{"Response": "Success", "Message": "Mailbox Message Count", "Mailbox": f"{mailbox}@default", **counts}]


def mailbox_status(state: State, mailbox: str) -> Packets:
    found = message_counts(state)
    waiting = found[mailbox, "INBOX"] + found[mailbox, "Urgent"] > 0
    return [{"Response": "Success", "Message": "Mailbox Status", "Mailbox": mailbox, "Waiting": str(int(waiting))}]


def message_counts(state: State) -> Counter[tuple[str, str]]:
    """How many there are by mailbox and folder; one is a text file that describes it, beside its recordings."""
    return Counter((found[1], found[2]) for path in state.files if (found := MESSAGE.fullmatch(path)))
