"""Runs LocalStack for the demo and the integration tests: python3 scripts/localstack COMMAND."""

import os
import sys

# Older versions cannot even read the other files, so this one has nothing new in it.
if sys.version_info < (3, 9):  # noqa: UP036
    sys.exit("python3 scripts/localstack needs Python 3.9 or newer; this is " + sys.version.split()[0])

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))

from scripts.localstack.cli import main

if __name__ == "__main__":
    sys.exit(main())
