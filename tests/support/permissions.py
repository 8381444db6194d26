"""Which permissions calls to DynamoDB and Lambda need, and what a policy allows."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult

#: A permission: an action, and the ARN that it is needed on.
Permission = tuple[str, str]

#: What the parts of a transaction are called, and the actions that they need
#: (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
IN_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


class Recorder:
    """The permissions that the calls of boto3 clients of DynamoDB and Lambda need."""

    def __init__(self, table_arn: str) -> None:
        """``table_arn`` is the ARN of any table of the account and region that the calls go to."""
        self._prefix = table_arn.rsplit("/", 1)[0]
        self.needed: set[Permission] = set()

    def watch(self, client: Any) -> Any:
        """Record what a client calls from now on; returns the client."""
        client.meta.events.register("provide-client-params", self._record)
        return client

    def _record(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.service_model.service_name == "lambda":
            self.needed.add((f"lambda:{model.name}", params["FunctionName"]))
        elif model.name == "TransactWriteItems":
            for action in params["TransactItems"]:
                ((kind, request),) = action.items()
                self._add(IN_TRANSACTION[kind], request["TableName"])
        elif model.name in ("BatchGetItem", "BatchWriteItem"):
            for table in params["RequestItems"]:
                self._add(model.name, table)
        else:
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            self._add(model.name, params["TableName"] + index)

    def _add(self, action: str, resource: str) -> None:
        self.needed.add((f"dynamodb:{action}", f"{self._prefix}/{resource}"))


def refused(policy: Mapping[str, Any], needed: Iterable[Permission]) -> list[Permission]:
    """Those of the permissions that a policy does not give."""
    document = IAMPolicy(json.dumps(policy))
    return sorted(
        (action, arn)
        for action, arn in needed
        if document.is_action_permitted(action, arn) is not PermissionResult.PERMITTED
    )


def given(policy: Mapping[str, Any]) -> set[Permission]:
    """Every action of a policy's statements that allow, with each of their resources."""

    def listed(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return {
        (action, resource)
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
