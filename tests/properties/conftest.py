"""Settings of the property tests: the same examples in every run, so that a failure is never a matter of luck.

``HYPOTHESIS_PROFILE=search`` looks for new counterexamples instead: other examples in every run, and many more.
"""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# What hypothesis caches (tables of Unicode, constants of the sources) lies where pytest's own cache does.
set_hypothesis_home_dir(Path(__file__).parents[2] / ".pytest_cache" / "hypothesis")

# A deadline and the check for slow strategies measure the machine, not the code.
_COMMON = settings(database=None, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same_examples", _COMMON, derandomize=True)
settings.register_profile("search", _COMMON, derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same_examples"))
