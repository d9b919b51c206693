"""Answers that do not arrive."""

import time
from random import Random

from ledger.faults.fault import Fault, a_while
from ledger.stage import Stage


def cut(stage: Stage, dice: Random) -> None:
    """The web process answers, so it has committed; the client only sees its connection end."""
    for proxy in stage.proxies:
        proxy.cuts = True
    time.sleep(a_while(dice))
    for proxy in stage.proxies:
        proxy.cuts = False


FAULTS = (Fault("answers cut after the commit", cut),)
