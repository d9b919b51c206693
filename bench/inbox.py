"""An inbox that is full before the clock starts: filled once, put again for each run."""

from collections.abc import Sequence
from itertools import batched

from bench import stage

CHUNK = 500
KEEP = """
CREATE UNLOGGED TABLE bench_inbox (place bigserial, events integer, body bytea)
"""
PUT = """
INSERT INTO tracking_batch (receipt, application_id, key_id, received_at, sent_at, encoding,
                            n_events, size, attempts, next_at, body)
SELECT gen_random_uuid(), %s, %s, now(), NULL, '', events, length(body), 0, now(), body
  FROM bench_inbox ORDER BY place
"""


def keep(bodies: Sequence[bytes], size: int) -> None:
    """These are what `put` puts from now on: bodies of `size` events each."""
    stage.sql("DROP TABLE IF EXISTS bench_inbox")
    stage.sql(KEEP)
    for some in batched(bodies, CHUNK):
        stage.sql(
            "INSERT INTO bench_inbox (events, body) SELECT %s, unnest(%s::bytea[])",
            [size, list(some)],
        )


def put() -> None:
    sender = stage.shop()
    stage.sql(PUT, [sender.application_id, sender.key_id])
    stage.sql("VACUUM ANALYZE tracking_batch")
    stage.sql("CHECKPOINT")
