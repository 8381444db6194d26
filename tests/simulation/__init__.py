"""Deterministic simulation of the whole pipeline around the real package; see docs/exactness.md."""

import sys
from pathlib import Path

# Last, so that PYTHONPATH can put a changed copy of the package before it.
sys.path.append(str(Path(__file__).parents[2] / "lambda_src"))
