"""Measurements of the function: what it costs, how fast it is, next to how others do it."""

import sys
from pathlib import Path

# The package is in the zip, not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))
