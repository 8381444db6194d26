"""Pages of another origin and the REST API of examples/complete on LocalStack: what browsers ask, and what they see.

Nothing is stored. LocalStack 4.14 sends its own gateway responses without the headers that are declared for them.
"""

import json
import os
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from scripts.localstack.settings import ROOT
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.localstack

ORIGIN = "https://shop.example.com"
EXPOSED = "ETag,Link,Retry-After,x-amzn-RequestId"


def ask(pipeline: Pipeline, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """Status and headers of an answer to a page of the origin."""
    api, stage = pipeline.outputs["api_id"], pipeline.outputs["api_stage_name"]
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}/{stage}{path}"
    answer = URLLib3Session().send(AWSRequest(method, url, {"Origin": ORIGIN, **named}, body).prepare())
    return answer.status_code, answer.headers


def test_a_browser_is_told_at_each_path_which_methods_and_headers_are_taken(
    pipeline: Pipeline, client: Callable[[str], Any]
):
    found = client("apigateway").get_resources(restApiId=pipeline.outputs["api_id"], embed=["methods"], limit=500)
    paths = {it["path"]: set(it.get("resourceMethods", {})) - {"OPTIONS"} for it in found["items"]}
    asked = {path: methods for path, methods in paths.items() if methods}
    assert {"/items", "/aggregates/{aggregate}/rows"} <= set(asked)
    for path, methods in asked.items():
        status, headers = ask(
            pipeline,
            "OPTIONS",
            re.sub(r"\{\w+\}", "1", path),
            Access_Control_Request_Method=sorted(methods)[0],
            Access_Control_Request_Headers="authorization,x-amz-date",
        )
        assert (status, headers["Access-Control-Allow-Origin"]) == (204, ORIGIN), path
        assert set(headers["Access-Control-Allow-Methods"].split(",")) == methods, path
        allowed = set(headers["Access-Control-Allow-Headers"].split(","))
        assert {"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} <= allowed, path
        assert ("Content-Type" in allowed) == (methods != {"GET"}), path
        assert headers["Access-Control-Max-Age"] == "3600"


def test_the_question_of_the_page_has_the_answer_of_the_page(pipeline: Pipeline):
    page = (ROOT / "docs" / "cors.md").read_text()
    (command,) = re.findall(r"```sh\n(curl .+?)```", page, re.DOTALL)
    (answer,) = re.findall(r"```http\n(.+?)\n```", page, re.DOTALL)
    words = shlex.split(command.replace("\\\n", ""))
    assert words[1:5] == ["--include", "--request", "OPTIONS", "$API/items"]
    named = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "--header")
    status, headers = ask(pipeline, "OPTIONS", "/items", **named)
    first, *lines = answer.splitlines()
    assert first.split()[1] == str(status)
    assert {name: text for name, text in headers.items() if name.startswith("Access-Control-")} == dict(
        line.split(": ", 1) for line in lines
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/aggregates", 200),
        ("/aggregates/sales_total/rows", 200),
        ("/aggregates/unknown", 404),
        ("/aggregates/sales_total/rows?limit=0", 400),
    ],
)
def test_a_page_sees_what_the_function_answers(pipeline: Pipeline, path: str, status: int):
    answered, headers = ask(pipeline, "GET", path)
    assert answered == status
    assert (headers["Access-Control-Allow-Origin"], headers["Access-Control-Expose-Headers"]) == (ORIGIN, EXPOSED)


def test_a_page_sees_what_the_table_answers(pipeline: Pipeline):
    line = {
        "invoice_no": "cors",
        "line_no": 1,
        "stock_code": "T1",
        "description": "tea",
        "quantity": 1,
        "invoice_date": "2010-12-01",
        "unit_price": 10**126,  # DynamoDB refuses it: nothing is stored.
        "country": "Testland",
    }
    answered, headers = ask(pipeline, "POST", "/items", json.dumps(line).encode(), Content_Type="application/json")
    assert answered == 400
    assert (headers["Access-Control-Allow-Origin"], headers["Access-Control-Expose-Headers"]) == (ORIGIN, EXPOSED)
