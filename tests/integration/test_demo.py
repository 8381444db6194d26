"""The demo, with few order lines, from apply to destroy."""

import pytest

from scripts.demo import __main__ as demo

pytestmark = pytest.mark.localstack


def test_the_demo_shows_that_every_row_equals_the_recomputation_and_leaves_nothing(capsys, client):
    before = client("dynamodb").list_tables()["TableNames"]
    assert demo.main(["--lines", "120"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "rows equal a recomputation of the order lines in the CSV file" in shown
    assert "rows equal a recomputation of the order lines after corrections and deletions" in shown
    assert "top countries by one Query: United Kingdom" in shown
    assert "from write to aggregate: median" in shown
    assert client("dynamodb").list_tables()["TableNames"] == before
