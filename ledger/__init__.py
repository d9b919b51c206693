"""Proof, under faults, that a 202 means kept and that nothing counts twice: `make ledger`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "site"))
