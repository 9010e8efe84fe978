"""How replays are shown: what would be sent, and what became of what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triggerfish.cli.history_view import preview, short_id, size, took, what
from triggerfish.cli.redelivery import Sent
from triggerfish.history.entries import Summary
from triggerfish_storage.cli.output import emit_json, emit_table, remark, wants_table


def emit_plan(found: Sequence[Summary], problems: Mapping[str, str], *, as_json: bool) -> None:
    """Write what would be sent; ``problems`` are the reasons why some cannot be, by id."""
    if as_json:
        emit_json([_planned(one, problems.get(one.id, "")) for one in found])
        return
    emit_table(
        ("ID", "FUNCTION", "SOURCE", "WAS", "PAYLOAD", "BEGINS WITH"),
        (
            (
                _id(one.id),
                one.function,
                one.source,
                one.label,
                size(one.payload_size),
                problems.get(one.id) or preview(one),
            )
            for one in found
        ),
    )
    cannot = f"; {len(problems)} of them cannot be" if problems else ""
    remark(f"{len(found)} would be sent again{cannot}.")


def _planned(one: Summary, problem: str) -> dict[str, object]:
    return {
        "id": one.id,
        "function": one.function,
        "source": one.source,
        "label": one.label,
        "attempt": one.attempt,
        "payloadSize": one.payload_size,
        "problem": problem,
    }


def emit_sent(sent: Sequence[Sent], *, as_json: bool) -> None:
    """Write what was sent, and how it ended as far as that is known."""
    if as_json:
        emit_json([_document(one) for one in sent])
        return
    emit_table(("ID", "FUNCTION", "RUNS AS", "STATUS", "TOOK", "WHAT"), map(_row, sent))
    refused = sum(bool(one.error) for one in sent)
    failed = sum(one.failed for one in sent) - refused
    counts = {"failed": failed, "not sent": refused}
    said = [f"{count} {fate}" for fate, count in counts.items() if count]
    remark(", ".join((f"{len(sent) - refused} replayed", *said)) + ".")


def _row(one: Sent) -> Sequence[object]:
    status = "not sent" if one.error else one.end.label if one.end else "sent"
    duration = one.end.duration if one.end else None
    reason = one.error or (what(one.end) if one.end and one.end.failure else "")
    return _id(one.id), one.function, _id(one.new_id), status, took(duration), reason


def _document(one: Sent) -> dict[str, object]:
    end = one.end
    return {
        "id": one.id,
        "function": one.function,
        "newId": one.new_id,
        "error": one.error,
        "label": end.label if end else "",
        "seconds": end.duration if end else None,
        "failure": what(end) if end and end.failure else "",
    }


def _id(delivery_id: str) -> str:
    return short_id(delivery_id) if wants_table() else delivery_id
