"""Settings for every test: the shared folder's helper can be imported, and one thread keeps numbers repeatable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
