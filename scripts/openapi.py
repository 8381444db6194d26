"""Writes docs/openapi.json, the API of examples/complete, from its output: terraform output -raw api_openapi | it.

What belongs to one stack alone, its address and the prefix of its names, gives way to that of the example's default.
"""

import json
import sys
from typing import Any

from scripts.localstack.settings import ROOT

FILE = ROOT / "docs" / "openapi.json"
#: The default of the example's ``name``.
_NAME = "retail"


def published(document: str) -> str:
    """The text of the file for ``document``, the output ``api_openapi`` of any stack of the example, in JSON.

    Raises ``ValueError`` where it is no JSON, ``KeyError`` where it is no OpenAPI document of the module.
    """
    read: dict[str, Any] = json.loads(document)
    del read["servers"]
    info = read["info"]
    name = info["title"].removesuffix("-api")
    info.update(title=f"{_NAME}-api", description=info["description"].replace(f" {name}-", f" {_NAME}-"))
    return json.dumps(read, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Command line entry point; returns the exit code."""
    try:
        text = published(sys.stdin.read())
    except (ValueError, KeyError) as error:
        print(
            f"This is not the output api_openapi of examples/complete: {error!r}. Nothing was written. "
            "Keep a demo running with `make demo KEEP=1`, then run `make openapi`.",
            file=sys.stderr,
        )
        return 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
