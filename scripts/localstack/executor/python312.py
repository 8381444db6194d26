"""Imported for its effect, before LocalStack: lets it run on Python 3.12.

LocalStack 4.14.0 uses two things that Python 3.13 brought: `threading.Lock` is a class, `warnings.deprecated` exists.
"""

import sys
import threading
import warnings
from typing import Any

if sys.version_info < (3, 13):
    import typing_extensions

    class _Lock:
        """A class that makes locks, so that `Lock | None` in an annotation means something."""

        def __new__(cls, make: Any = threading.Lock) -> Any:
            return make()

    threading.Lock = _Lock
    warnings.deprecated = typing_extensions.deprecated  # type: ignore[attr-defined]
