"""The version of the module: its tag in git without the v, by semantic versioning. It stands here and nowhere else.

Terraform reads it from this file for the function's description; the function names it to DynamoDB in its user agent,
which CloudTrail and support see, and in every line of metrics.
"""

VERSION = "0.1.0"
