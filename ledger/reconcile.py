"""Holds the tables against the journal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from ledger.checks import CHECKS, Check
from ledger.journal import Journal

EXAMPLES = 3

LOAD = """
CREATE TEMPORARY TABLE ledger_sent (
    body bigint, position integer, id uuid, application_id bigint, session_id uuid, mark text,
    problems integer
) ON COMMIT DROP;
CREATE TEMPORARY TABLE ledger_answer (body bigint, status integer, receipt uuid) ON COMMIT DROP
"""

DERIVE = """
CREATE TEMPORARY TABLE ledger_accepted ON COMMIT DROP AS
SELECT receipt, sent.* FROM ledger_sent AS sent JOIN ledger_answer USING (body)
 WHERE status = 202;

CREATE TEMPORARY TABLE ledger_possible ON COMMIT DROP AS
SELECT DISTINCT body FROM ledger_sent EXCEPT
SELECT body FROM ledger_answer GROUP BY body HAVING bool_and(status BETWEEN 400 AND 499);

CREATE TEMPORARY TABLE ledger_waiting ON COMMIT DROP AS
SELECT receipt FROM tracking_batch UNION ALL SELECT receipt FROM tracking_setasidebatch;

CREATE INDEX ON ledger_sent (id);
CREATE INDEX ON ledger_possible (body);
CREATE INDEX ON ledger_waiting (receipt);
ANALYZE ledger_sent, ledger_answer, ledger_accepted, ledger_possible, ledger_waiting
"""

TOTALS = """
SELECT (SELECT count(*) FROM ledger_accepted) AS accepted_events,
       (SELECT count(DISTINCT body) FROM ledger_sent) AS bodies,
       (SELECT count(*) FROM ledger_answer) AS requests,
       (SELECT count(*) FROM ledger_answer WHERE status = 202) AS answers_202,
       (SELECT count(*) FROM ledger_answer WHERE status = 0) AS answers_cut,
       (SELECT count(*) FROM ledger_answer WHERE status = 503) AS answers_503,
       (SELECT count(*) FROM tracking_event) AS stored,
       (SELECT coalesce(sum(duplicate), 0) FROM tracking_receipt) AS duplicate,
       (SELECT coalesce(sum(rejected), 0) FROM tracking_receipt) AS rejected,
       (SELECT count(*) FROM tracking_session) AS sessions
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that failed: by how many rows, and some of them."""

    check: Check
    count: int
    examples: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Reconciled:
    findings: list[Finding]
    totals: dict[str, int]

    def count(self, kind: str) -> int:
        return sum(finding.count for finding in self.findings if finding.check.kind == kind)


def reconcile(journal: Journal) -> Reconciled:
    """All that contradicts the journal. Nothing may be sent or digested meanwhile."""
    with transaction.atomic():
        _load(journal)
        findings = [finding for check in CHECKS if (finding := _look(check))]
        (totals,) = _rows(TOTALS)
    return Reconciled(findings, {name: int(value) for name, value in totals.items()})


def _load(journal: Journal) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOAD)
        _copy(cursor, "ledger_sent", journal.sent)
        _copy(cursor, "ledger_answer", journal.answers)
        cursor.execute(DERIVE)


def _copy(cursor: Any, table: str, file: Path) -> None:
    with file.open("rb") as lines:
        cursor.copy_expert(f"COPY {table} FROM STDIN", lines)


def _look(check: Check) -> Finding | None:
    rows = _rows(
        f"SELECT count(*) OVER () AS found, * FROM ({check.query}) AS row LIMIT {EXAMPLES}"
    )
    if not rows:
        return None
    found = rows[0]["found"]
    shown = [{name: str(row[name]) for name in row if name != "found"} for row in rows]
    return Finding(check, found, shown)


def _rows(query: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
