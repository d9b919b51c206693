"""What must hold in the end, as queries for the rows that contradict it.

`ledger_sent` and `ledger_answer` are the journal (see reconcile.py). Made from it are
`ledger_accepted`, the events of bodies that were answered with a 202, by their receipts, and
`ledger_possible`, the bodies that were or may have been accepted. `ledger_waiting` has the receipts
of batches that wait or are set aside.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`kind` is what such a row is counted as; `says` what it means."""

    kind: str
    says: str
    query: str


def differing(said: str, found: str) -> str:
    """What stands in the one of two queries and not in the other."""
    return f"""
        WITH said AS ({said}), found AS ({found})
        SELECT 'said' AS who, * FROM (TABLE said EXCEPT TABLE found) AS only_said
         UNION ALL
        SELECT 'found', * FROM (TABLE found EXCEPT TABLE said) AS only_found
    """


# Each row counts for its minute, hour and day (UTC), of its application and of all.
STEPS = "unnest(ARRAY['minute', 'hour', 'day']) AS step"
ROLLUPS = "GROUPING SETS ((application_id, step, start), (step, start))"

LOST = (
    Check(
        "lost",
        "accepted, and neither stored nor waiting nor set aside",
        """
        SELECT id, receipt, position FROM ledger_accepted AS sent
         WHERE problems = 0
           AND NOT EXISTS (SELECT FROM ledger_waiting WHERE receipt = sent.receipt)
           AND NOT EXISTS (SELECT FROM tracking_event WHERE id = sent.id)
        """,
    ),
    Check(
        "lost",
        "accepted, wrong, and not among the rejected events",
        """
        SELECT id, receipt, position FROM ledger_accepted AS sent
         WHERE problems > 0
           AND NOT EXISTS (SELECT FROM ledger_waiting WHERE receipt = sent.receipt)
           AND NOT EXISTS (SELECT FROM tracking_rejectedevent WHERE id = sent.id)
        """,
    ),
    Check(
        "lost",
        "a 202 without a receipt",
        """
        SELECT body, receipt FROM ledger_answer AS answer
         WHERE status = 202
           AND NOT EXISTS (SELECT FROM ledger_waiting WHERE receipt = answer.receipt)
           AND NOT EXISTS (SELECT FROM tracking_receipt WHERE id = answer.receipt)
        """,
    ),
    Check(
        "lost",
        "two different events that got the same id",
        """
        SELECT id, min(mark), max(mark) FROM ledger_sent
         GROUP BY id HAVING count(DISTINCT (application_id, mark)) > 1
        """,
    ),
    Check(
        "lost",
        "a receipt given for two answers",
        """
        SELECT receipt, count(*) FROM ledger_answer WHERE status = 202
         GROUP BY receipt HAVING count(*) > 1
        """,
    ),
)

DOUBLED = (
    Check(
        "doubled",
        "stored twice",
        "SELECT id, count(*) FROM tracking_event GROUP BY id HAVING count(*) > 1",
    ),
    Check(
        "doubled",
        "one event that got two ids",
        """
        SELECT application_id, mark, count(DISTINCT id) FROM ledger_sent
         GROUP BY application_id, mark HAVING count(DISTINCT id) > 1
        """,
    ),
)

PHANTOM = (
    Check(
        "phantom",
        "stored, and never sent",
        """
        SELECT id, received_at FROM tracking_event AS event
         WHERE NOT EXISTS (SELECT FROM ledger_sent JOIN ledger_possible USING (body)
                            WHERE id = event.id AND problems = 0)
        """,
    ),
    Check(
        "phantom",
        "rejected, and never sent or not wrong",
        """
        SELECT id, payload FROM tracking_rejectedevent AS event
         WHERE NOT EXISTS (SELECT FROM ledger_sent JOIN ledger_possible USING (body)
                            WHERE id = event.id AND problems > 0)
        """,
    ),
    Check(
        "phantom",
        "stored with other content than was sent",
        """
        SELECT event.id, event.data ->> 'mark', sent.mark
          FROM tracking_event AS event JOIN ledger_sent AS sent USING (id)
         WHERE (event.application_id, event.session_id, event.data ->> 'mark')
               IS DISTINCT FROM (sent.application_id, sent.session_id, sent.mark)
        """,
    ),
    Check(
        "phantom",
        "more receipts than requests that may have been accepted",
        """
        SELECT unknown, unsure
          FROM (SELECT count(*) AS unknown FROM tracking_receipt
                 WHERE id NOT IN (SELECT receipt FROM ledger_answer WHERE status = 202)) AS receipts,
               (SELECT count(*) AS unsure FROM ledger_answer
                 WHERE status = 0 OR status >= 500) AS answers
         WHERE unknown > unsure
        """,
    ),
)

WRONG = (
    Check(
        "wrong",
        "a receipt that does not add up to what was sent",
        """
        SELECT receipt.id, events, stored, duplicate, rejected, sent.sent, sent.wrong
          FROM tracking_receipt AS receipt
          JOIN (SELECT receipt, count(*) AS sent, count(*) FILTER (WHERE problems > 0) AS wrong
                  FROM ledger_accepted GROUP BY receipt) AS sent ON sent.receipt = receipt.id
         WHERE state = 'digested'
           AND (events, stored + duplicate, rejected)
               IS DISTINCT FROM (sent.sent, sent.sent - sent.wrong, sent.wrong)
        """,
    ),
    Check(
        "wrong",
        "the receipts together say stored, and so many events are",
        """
        SELECT said, found
          FROM (SELECT coalesce(sum(stored), 0) AS said FROM tracking_receipt) AS receipts,
               (SELECT count(*) AS found FROM tracking_event) AS events
         WHERE said <> found
        """,
    ),
    Check(
        "wrong",
        "a session that counts otherwise than its events and rejected events",
        """
        SELECT session.id, event_count, events, error_count, errors
          FROM tracking_session AS session
          FULL JOIN (SELECT session_id, count(*) AS events, min("timestamp") AS first_at,
                            max("timestamp") AS last_at
                       FROM tracking_event GROUP BY session_id) AS stored
            ON stored.session_id = session.id
          FULL JOIN (SELECT session_id, count(*) AS errors
                       FROM tracking_rejectedevent WHERE session_id IS NOT NULL
                      GROUP BY session_id) AS rejected
            ON rejected.session_id = coalesce(session.id, stored.session_id)
         WHERE (event_count, error_count, session.first_at, session.last_at) IS DISTINCT FROM
               (coalesce(events, 0), coalesce(errors, 0), stored.first_at, stored.last_at)
        """,
    ),
    Check(
        "wrong",
        "a rejected event without exactly one error for each wrong field",
        """
        SELECT sent.receipt, sent.position, problems, count(error.id)
          FROM ledger_accepted AS sent
          LEFT JOIN tracking_eventerror AS error
            ON error.receipt_id = sent.receipt AND error.position = sent.position
         WHERE NOT EXISTS (SELECT FROM ledger_waiting WHERE receipt = sent.receipt)
         GROUP BY sent.receipt, sent.position, problems HAVING count(error.id) <> problems
        """,
    ),
    Check(
        "wrong",
        "a report that is behind its session, or counts otherwise",
        """
        SELECT session.id, session.revision, report_revision, report.revision, event_count, events
          FROM tracking_session AS session
          LEFT JOIN reports_sessionreport AS report ON report.session_id = session.id
         WHERE (report_revision, report.revision, events, errors) IS DISTINCT FROM
               (session.revision, session.revision, event_count, error_count)
        """,
    ),
    Check(
        "wrong",
        "a rollup that counts arrivals otherwise than the receipts do",
        differing(
            """
            SELECT coalesce(application_id, 0) AS application, step, start,
                   sent, stored, duplicate, rejected
              FROM reports_rollup WHERE sent > 0
            """,
            f"""
            SELECT coalesce(application_id, 0), step, date_trunc(step, received_at) AS start,
                   sum(events), sum(stored), sum(duplicate), sum(rejected)
              FROM tracking_receipt, {STEPS} WHERE state = 'digested' GROUP BY {ROLLUPS}
            """,
        ),
    ),
    Check(
        "wrong",
        "a rollup that counts errors otherwise than there are",
        differing(
            """
            SELECT coalesce(application_id, 0) AS application, step, start, code, told::bigint
              FROM reports_rollup, jsonb_each_text(errors) AS error(code, told) WHERE told <> '0'
            """,
            f"""
            SELECT coalesce(application_id, 0), step, date_trunc(step, created_at) AS start,
                   code, count(*)
              FROM tracking_eventerror, {STEPS} GROUP BY code, {ROLLUPS}
            """,
        ),
    ),
    Check(
        "wrong",
        "a rollup that counts kinds of events otherwise than were stored",
        differing(
            """
            SELECT coalesce(application_id, 0) AS application, step, start, category, name,
                   told::bigint
              FROM reports_rollup, jsonb_each(kinds) AS named(category, names),
                   jsonb_each_text(names) AS counted(name, told)
            """,
            f"""
            SELECT coalesce(application_id, 0), step, date_trunc(step, received_at) AS start,
                   category, name, count(*)
              FROM tracking_event, {STEPS} GROUP BY category, name, {ROLLUPS}
            """,
        ),
    ),
    Check(
        "wrong",
        "groups of errors that count otherwise than there are",
        differing(
            """
            SELECT application_id, sum(errors), sum(resolved)
              FROM tracking_errorgroup GROUP BY application_id
            """,
            """
            SELECT application_id, count(*), count(resolved_at)
              FROM tracking_eventerror GROUP BY application_id
            """,
        ),
    ),
    Check(
        "wrong",
        "a rollup that counts events otherwise than there are",
        differing(
            """
            SELECT coalesce(application_id, 0) AS application, step, start, events
              FROM reports_rollup WHERE events > 0
            """,
            f"""
            SELECT coalesce(application_id, 0), step, date_trunc(step, "timestamp") AS start,
                   count(*)
              FROM tracking_event, {STEPS} GROUP BY {ROLLUPS}
            """,
        ),
    ),
    Check(
        "wrong",
        "a rollup that counts sessions otherwise than begin and end there",
        differing(
            """
            SELECT step, start, sessions_started, sessions_ended
              FROM reports_rollup
             WHERE application_id IS NULL AND (sessions_started, sessions_ended) <> (0, 0)
            """,
            f"""
            SELECT step, date_trunc(step, at) AS start, sum(started), sum(ended)
              FROM tracking_session, {STEPS},
                   LATERAL (VALUES (first_at, 1, 0), (last_at, 0, 1)) AS mark(at, started, ended)
             WHERE at IS NOT NULL GROUP BY step, start
            """,
        ),
    ),
    Check(
        "wrong",
        "still waiting, or set aside, with nothing wrong with it",
        "SELECT receipt FROM ledger_waiting",
    ),
    Check(
        "wrong",
        "an answer that no client should get",
        """
        SELECT body, status FROM ledger_answer
         WHERE status NOT IN (0, 202, 429, 503)
        """,
    ),
)

CHECKS = (*LOST, *DOUBLED, *PHANTOM, *WRONG)
KINDS = ("lost", "doubled", "phantom", "wrong")
