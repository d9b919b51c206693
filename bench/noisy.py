"""One application has a million events waiting; another sends ten a second."""

from bench import load, stage, watch
from bench.figures import Row, at_most, percentile
from bench.load import Order
from bench.processes import Processes

NAME = "noisy"
RATE = 10.0
BATCH = 100
FILL = """
INSERT INTO tracking_batch (receipt, application_id, key_id, received_at, sent_at, encoding,
                            n_events, size, attempts, next_at, body)
SELECT gen_random_uuid(), %(application)s, %(key)s, now(), NULL, '', %(batch)s, length(body), 0,
       now(), convert_to(body, 'UTF8')
  FROM (SELECT json_agg(json_build_object(
                   'session_id', md5('session ' || n / 20)::uuid,
                   'category', 'page interaction',
                   'name', 'pageview',
                   'data', json_build_object('path', '/pages/' || n, 'title', repeat('x', 150)),
                   'timestamp', now() - interval '30 minutes' + n * interval '1 millisecond'
               ) ORDER BY n)::text AS body
          FROM generate_series(0, %(events)s - 1) AS n
         GROUP BY n / %(batch)s) AS bodies
"""


def run(processes: Processes, quick: bool) -> list[Row]:
    backlog, seconds = (2_000, 1.0) if quick else (1_000_000, 30.0)
    (port,) = processes.only("up")
    watch.emptied()
    noisy, quiet = stage.sender("noisy"), stage.shop()
    load.send(Order(port, quiet.key, requests=10, seed=2))  # warms up
    stage.say(f"filling the inbox with {backlog:,} events")
    who = {"application": noisy.application_id, "key": noisy.key_id}
    stage.sql(FILL, {**who, "events": backlog, "batch": BATCH})
    order = Order(port, quiet.key, requests=round(RATE * seconds), rate=RATE)
    with load.sending(order) as sending:
        times = watch.until_queryable(sending)
    ((left,),) = stage.sql("SELECT coalesce(sum(n_events), 0) FROM tracking_batch")
    stage.say(f"{left:,} of them wait still")
    longest = Row(NAME, "until queryable, longest", max(times), "ms", goal=at_most(2_000))
    return [
        Row(NAME, "until queryable, p50", percentile(times, 0.5), "ms"),
        Row(NAME, "until queryable, p99", percentile(times, 0.99), "ms"),
        longest,
    ]
