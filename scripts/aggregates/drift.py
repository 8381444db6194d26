"""What a verification found, as metrics: so that an alarm can fire."""

from typing import Any

from aggregator.metrics import DIMENSION, NAMESPACE

from .verify import Report

#: Entries and rows that are wrong, and those that changed at every look. Never which.
METRICS = ("drift", "unsettled")


def publish(cloudwatch: Any, function_name: str, report: Report) -> None:
    """Publish the numbers of a report, zeros too, in one call of PutMetricData; ``cloudwatch`` is a boto3 client.

    Numbers that arrive twice after a lost answer change no maximum. Raises ``ClientError``.
    """
    values = (
        len(report.entries) + len(report.rows),
        len(report.unsettled_entries) + len(report.unsettled_rows),
    )
    cloudwatch.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": DIMENSION, "Value": function_name}],
                "Value": value,
                "Unit": "Count",
            }
            for name, value in zip(METRICS, values, strict=True)
        ],
    )
