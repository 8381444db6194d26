"""The file with the API of examples/complete, whatever stack it comes from."""

import io
import json
from pathlib import Path

import pytest

from scripts import openapi

DOCUMENT = {
    "info": {"title": "it-1-api", "description": "Puts items into it-1-source and reads rows of it-1-aggregates."},
    "servers": [{"url": "https://abc.example.com/v1"}],
    "paths": {},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(openapi, "FILE", tmp_path / "openapi.json")
    return tmp_path / "openapi.json"


def test_what_belongs_to_one_stack_is_not_in_the_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(DOCUMENT)))
    assert openapi.main() == 0
    assert json.loads(file.read_text()) == {
        "info": {
            "title": "retail-api",
            "description": "Puts items into retail-source and reads rows of retail-aggregates.",
        },
        "paths": {},
    }


@pytest.mark.parametrize("text", ["", "{}"])
def test_what_is_no_document_leaves_the_file_alone_and_says_what_to_do(
    file: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert openapi.main() == 1
    assert not file.exists()
    assert "make demo KEEP=1" in capsys.readouterr().err
