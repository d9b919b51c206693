import resource
import subprocess
import sys

from config.embedded import ROOT
from config.limits import FILES

RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from config.limits import allow_files
allow_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_as_many_files_may_be_open_as_connections_need() -> None:
    command = [sys.executable, "-c", RAISED]
    output = subprocess.check_output(command, env={"PYTHONPATH": str(ROOT / "site")}, text=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(output) == (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard))
