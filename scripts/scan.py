"""Scans the Terraform sources for insecure settings with checkov: python3 -m scripts.scan."""

import subprocess
import sys

from scripts.localstack.settings import ROOT, RunnerError
from scripts.setup import install_tools

ENVIRONMENT = ROOT / ".checkov"


def main() -> int:
    """Install checkov where that has not been done, and run it as .checkov.yaml says; returns the exit status."""
    try:
        install_tools(ENVIRONMENT, ROOT / "requirements-scan.txt")
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    done = subprocess.run([str(ENVIRONMENT / "bin" / "checkov")], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    if "Parsing errors" in done.stdout:
        print(
            "error: checkov left out a file that it could not parse, and calls that no failure. "
            "Write it so that it can be parsed; what names it: "
            "LOG_LEVEL=DEBUG .checkov/bin/checkov 2>&1 | grep 'failed while parsing'",
            file=sys.stderr,
        )
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
