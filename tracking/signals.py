from django.dispatch import Signal

# Sent after the commit in which sessions got new rows. Receivers must not fail or block.
sessions_changed = Signal()
