from django.dispatch import Signal

# Sent after the commit in which sessions got new rows. Receivers must not fail or block.
sessions_changed = Signal()

# Sent in the transaction that erases an application's part of a session which others sent to as well,
# under the session's lock: what was made of its events has to go.
session_erasing = Signal()

# Sent in the transaction in which events of these sessions went because they are kept no longer, while
# the sessions are locked: what repeats the events has to go.
events_expiring = Signal()
