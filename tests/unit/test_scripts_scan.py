"""The scan of the Terraform sources fails where it has not seen all of them."""

import pytest

from scripts import scan


@pytest.mark.parametrize(
    ("summary", "status", "code"),
    [
        ("Passed checks: 9, Failed checks: 0, Skipped checks: 1", 0, 0),
        ("Passed checks: 8, Failed checks: 1, Skipped checks: 1", 1, 1),
        ("Passed checks: 9, Failed checks: 0, Skipped checks: 1, Parsing errors: 1", 0, 1),
    ],
)
def test_a_finding_and_a_file_that_was_left_out_fail(tmp_path, monkeypatch, capfd, summary, status, code):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "checkov").write_text(f"#!/bin/sh\necho '{summary}'\nexit {status}\n")
    (tmp_path / "bin" / "checkov").chmod(0o755)
    monkeypatch.setattr(scan, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(scan, "install_tools", lambda *_: None)
    assert scan.main() == code
    told = capfd.readouterr()
    assert summary in told.out
    assert ("LOG_LEVEL=DEBUG" in told.err) == ("Parsing" in summary)
