"""A million reports as CSV, from the API and the admin: how fast, and what it costs in memory."""

from time import perf_counter

from bench import stage, usage
from bench.figures import Row, at_most, middle, ratio_at_least
from bench.filled import EVENTS_A_SESSION, plan, sessions_and_reports
from bench.processes import Processes

NAME = "csv"
LIMIT = "COPY TO by the server, into /dev/null, of the same reports, in the same order and format"
API = "/api/reports.csv"
ADMIN = "/admin/reports/sessionreport/export-all/"
PIECE = 1 << 16


def run(processes: Processes, quick: bool) -> list[Row]:
    rounds, reports = (1, 5_000) if quick else (4, 1_000_000)
    (port,) = processes.only("web")  # a worker would build reports meanwhile
    sessions_and_reports(plan(reports * EVENTS_A_SESSION))
    server = usage.tree(processes.pid("web"))
    headers = {"Cookie": stage.staff_cookie()}
    idle = usage.resident_megabytes(server)
    usage.forget_peak(server)
    rates = [
        (download(port, headers, API), download(port, headers, ADMIN), copy())
        for _ in range(rounds)
    ]
    more = usage.peak_megabytes(server) - idle
    value, in_admin, limit = map(middle, zip(*rates, strict=True))
    return [
        Row(NAME, "reports", value, "rows/s", LIMIT, limit, ratio_at_least(0.3)),
        Row(NAME, "all that the admin's list shows", in_admin, "rows/s"),
        Row(NAME, "memory over idle, peak", more, "MB", goal=at_most(150)),
    ]


def download(port: int, headers: dict[str, str], path: str) -> float:
    """Rows a second, the header counted as one."""
    connection = stage.connected(port)  # a new one: the server ends those that are idle meanwhile
    began = perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    lines = 0
    while piece := answer.read(PIECE):
        lines += piece.count(b"\n")
    stage.say(f"{lines:,} lines")
    return lines / (perf_counter() - began)


def copy() -> float:
    """Rows a second, of all columns but the fold's state."""
    from reports.models import SessionReport

    columns = [f'"{field.column}"' for field in SessionReport._meta.concrete_fields]
    columns.remove('"state"')
    rows = f"SELECT {', '.join(columns)} FROM reports_sessionreport ORDER BY session_id"
    count = int(stage.sql("SELECT count(*) FROM reports_sessionreport")[0][0])
    began = perf_counter()
    stage.sql(f"COPY ({rows}) TO '/dev/null' WITH (FORMAT csv, HEADER)")
    return count / (perf_counter() - began)
