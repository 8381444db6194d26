"""The commands say what they need where it is not there, before Python fails in its own words."""

import subprocess
import sys

import pytest

from scripts.localstack.settings import ROOT

OLDER = "import sys; sys.version_info = (3, 11, 7, 'final', 0); import scripts.aggregates"


@pytest.mark.parametrize(
    "arguments",
    # -S: without the packages that are installed beside Python's own.
    [pytest.param(["-S", "-m", "scripts.aggregates"], id="no boto3"), pytest.param(["-c", OLDER], id="older Python")],
)
def test_what_the_commands_need_is_said_where_it_is_not_there(arguments: list[str]):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the commands need Python 3.12 or newer with boto3, and this is ")
    assert "`make setup` installs both" in done.stderr
    assert "Traceback" not in done.stderr
