"""The script that is a keeper's process: config.keeper without the rest of the package.

`config/__init__.py` loads Celery, and a keeper lives as long as its service; it needs neither Celery
nor the virtual environment.
"""

import sys
from pathlib import Path
from types import ModuleType

package = ModuleType("config")
package.__path__ = [str(Path(__file__).parent)]
sys.modules["config"] = package

from config.keeper import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
