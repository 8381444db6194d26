"""What goes wrong between the function and DynamoDB, and when: the client that every simulated process uses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from aggregator.handler import CONNECT_TIMEOUT, READ_TIMEOUT

from .same_table import row_of
from .scheduler import Scheduler

#: A request that the client has given up on may still be carried out, at most so many seconds later.
LATEST = 30.0

#: What can happen to a call. ``before``: it is not carried out. ``after``: it is, and nobody learns of it.
FAULTS = (
    "crash before",
    "crash after",
    "throttled",
    "server error before",
    "server error after",
    "lost before",
    "lost after",
    "late",
    "unreachable",
    "slow",
    "conflict",
    "unprocessed",
)
#: With which codes single statements of a batch fail.
_OF_STATEMENTS = {
    "throttled": ("ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"),
    "conflict": ("TransactionConflict",),
    "unprocessed": ("InternalServerError",),
}
#: Faults that keep an invocation busy until its time is over.
STORM = ("throttled", "server error before", "lost before", "unreachable", "slow", "conflict")


@dataclass
class Weather:
    """How often calls fail (``intensity``, 0 to 1), in which ways, and what is out of order for a while."""

    intensity: float = 0.0
    faults: tuple[str, ...] = FAULTS
    #: Every call of the methods named here fails with this fault.
    always: dict[str, str] = field(default_factory=dict)
    #: The role has lost its permissions.
    denied: bool = False
    #: A row that takes no numbers, by its partition key.
    refusing: str | None = None
    #: Seconds that a call takes at most, where nothing is wrong.
    latency: float = 0.05

    def clear(self) -> None:
        """The end of everything that goes wrong."""
        self.intensity = 0.0
        self.always = {}
        self.denied = False
        self.refusing = None


def error(code: str, status: int = 400, **more: Any) -> ClientError:
    """The error that boto3 raises for an answer with this code."""
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "call")


class Client:
    """boto3's DynamoDB client, as far as it is used, through the weather. Every call lets other tasks run."""

    def __init__(self, scheduler: Scheduler, database: Any, weather: Weather) -> None:
        self._scheduler = scheduler
        self._database = database
        self._weather = weather

    def put_item(self, **arguments: Any) -> Any:
        return self._call("put_item", arguments)

    def update_item(self, **arguments: Any) -> Any:
        return self._call("update_item", arguments)

    def delete_item(self, **arguments: Any) -> Any:
        return self._call("delete_item", arguments)

    def transact_write_items(self, **arguments: Any) -> Any:
        return self._call("transact_write_items", arguments)

    def batch_execute_statement(self, **arguments: Any) -> Any:
        return self._call("batch_execute_statement", arguments)

    def batch_get_item(self, **arguments: Any) -> Any:
        return self._call("batch_get_item", arguments)

    def query(self, **arguments: Any) -> Any:
        return self._call("query", arguments)

    def scan(self, **arguments: Any) -> Any:
        return self._call("scan", arguments)

    def _call(self, method: str, arguments: dict[str, Any]) -> Any:
        scheduler, weather, random = self._scheduler, self._weather, self._scheduler.random
        fault = weather.always.get(method, "")
        if not fault and weather.intensity and random.random() < weather.intensity:
            fault = random.choice(weather.faults)
        scheduler.sleep(random.random() * weather.latency)
        if scheduler.traced:
            scheduler.log("%s %s%s", method, _summary(arguments), f"  ({fault})" if fault else "")
        if weather.denied:
            raise error("AccessDeniedException")
        self._before(fault, method, arguments)
        try:
            answer = self._perform(method, arguments, fault)
        except ClientError as refused:
            scheduler.log("  refused: %s", _reasons(refused))
            self._after(fault)
            raise
        self._after(fault)
        if fault == "unprocessed" and method == "batch_get_item":
            return self._without_some(arguments, answer)
        return answer

    def _before(self, fault: str, method: str, arguments: dict[str, Any]) -> None:
        scheduler, random = self._scheduler, self._scheduler.random
        match fault:
            case "crash before":
                self._crash()
            case "throttled" if method != "batch_execute_statement" or random.random() < 0.3:
                raise error(random.choice(("ThrottlingException", "ProvisionedThroughputExceededException")))
            case "server error before":
                raise error("InternalServerError", 500)
            case "unreachable":
                scheduler.sleep(CONNECT_TIMEOUT)
                raise ConnectTimeoutError(endpoint_url="dynamodb")
            case "lost before":
                scheduler.sleep(READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url="dynamodb")
            case "late":
                self._later(method, arguments)
                scheduler.sleep(READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url="dynamodb")
            case "conflict" if method == "transact_write_items":
                raise self._conflict(arguments["TransactItems"])
            case "conflict" if method in ("put_item", "update_item", "delete_item"):
                raise error("TransactionConflictException")

    def _after(self, fault: str) -> None:
        scheduler, random = self._scheduler, self._scheduler.random
        match fault:
            case "crash after":
                self._crash()
            case "server error after":
                raise error("InternalServerError", 500)
            case "lost after":
                scheduler.sleep(READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url="dynamodb")
            case "slow":
                scheduler.sleep(random.random() * READ_TIMEOUT)
            case _:
                scheduler.sleep(random.random() * self._weather.latency)

    def _perform(self, method: str, arguments: dict[str, Any], fault: str = "") -> Any:
        if method == "batch_execute_statement":
            return self._execute(arguments["Statements"], fault)
        call: Callable[..., Any] = getattr(self._database, method)
        if self._weather.refusing is not None and method == "transact_write_items":
            self._refuse(arguments["TransactItems"])
        return call(**arguments)

    def _execute(self, statements: list[dict[str, Any]], fault: str) -> dict[str, Any]:
        """What becomes of a batch, each statement of which is carried out by itself: some are turned away, or are
        written although they say that they failed. Where nobody learns of it, any of them may be missing."""
        random = self._scheduler.random
        turned_away: dict[int, str] = {}
        written_all_the_same: set[int] = set()
        if fault in _OF_STATEMENTS or fault.endswith("after") or fault == "late":
            for index in random.sample(
                range(len(statements)), random.randint(fault in _OF_STATEMENTS, len(statements))
            ):
                turned_away[index] = random.choice(_OF_STATEMENTS.get(fault, ("InternalServerError",)))
                if turned_away[index] == "InternalServerError" and random.random() < 0.5:
                    written_all_the_same.add(index)
        carried_out = [i for i in range(len(statements)) if i not in turned_away or i in written_all_the_same]
        answers = {}
        if carried_out:
            done = self._database.batch_execute_statement(Statements=[statements[index] for index in carried_out])
            answers = dict(zip(carried_out, done["Responses"], strict=True))
        for index, code in turned_away.items():
            answers[index] = {"Error": {"Code": code, "Message": code}}
        responses = [answers[index] for index in range(len(statements))]
        if self._scheduler.traced:
            self._scheduler.log("  answers: %s", [each.get("Error", {}).get("Code", "OK") for each in responses])
        return {"Responses": responses}

    def _later(self, method: str, arguments: dict[str, Any]) -> None:
        def perform() -> None:
            self._scheduler.log("%s %s  (carried out late)", method, _summary(arguments))
            try:
                self._perform(method, arguments, "late")
            except ClientError as refused:
                self._scheduler.log("  refused: %s", _reasons(refused))

        self._scheduler.spawn(perform, delay=self._scheduler.random.random() * LATEST)

    def _crash(self) -> None:
        process = self._scheduler.task.process
        assert process is not None
        self._scheduler.log("  the process dies")
        self._scheduler.end(process)

    def _conflict(self, actions: list[dict[str, Any]]) -> ClientError:
        """What DynamoDB says where other requests hold some of the items: the conditions of the rest may fail too."""
        random = self._scheduler.random
        reasons = self._database.cancellation_reasons(actions)
        for index in random.sample(range(len(reasons)), random.randint(1, len(reasons))):
            reasons[index] = {
                "Code": random.choice(("TransactionConflict", "TransactionConflict", "ThrottlingError")),
                "Message": "",
            }
        return error("TransactionCanceledException", CancellationReasons=reasons)

    def _refuse(self, actions: list[dict[str, Any]]) -> None:
        reasons = self._database.cancellation_reasons(actions)
        refused = False
        for index, action in enumerate(actions):
            update = action.get("Update")
            if update and _partition_key(update["Key"]) == self._weather.refusing and reasons[index]["Code"] == "None":
                reasons[index] = {"Code": "ValidationError", "Message": "the row takes no numbers"}
                refused = True
        if refused:
            raise error("TransactionCanceledException", CancellationReasons=reasons)

    def _without_some(self, arguments: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """The answer as if DynamoDB had left some keys unprocessed."""
        ((table, request),) = arguments["RequestItems"].items()
        left = [key for key in request["Keys"] if self._scheduler.random.random() < 0.5]
        found = [item for item in answer["Responses"][table] if not any(key.items() <= item.items() for key in left)]
        return {
            "Responses": {table: found},
            "UnprocessedKeys": {table: {**request, "Keys": left}} if left else {},
        }


def _partition_key(key: dict[str, Any]) -> str:
    """Of a row, wherever it stands."""
    return str(key["pk"]["S"]) if "pk" in key else row_of(key["id"]["S"])[0]


def _summary(arguments: dict[str, Any]) -> str:
    """A call on one line of the trace."""
    if "TransactItems" in arguments:
        return ", ".join(_summary(action) for actions in arguments["TransactItems"] for action in actions.values())
    if "Statements" in arguments:
        return ", ".join(
            " ".join([each["Statement"][:6], *(str(*value.values()) for value in each["Parameters"])])
            for each in arguments["Statements"]
        )
    if "RequestItems" in arguments:
        return str({table: len(request["Keys"]) for table, request in arguments["RequestItems"].items()})
    if "Item" in arguments:
        item = arguments["Item"]
        return " ".join(
            next(iter(item[name].values())) for name in ("pk", "sk", "version", "contributions") if name in item
        )
    if "Key" in arguments:
        values = {name: next(iter(v.values())) for name, v in arguments.get("ExpressionAttributeValues", {}).items()}
        kind = "update" if "UpdateExpression" in arguments else "delete"
        numbers = {name: value for name, value in values.items() if name[1:] in ("items", "leaving") or name[1] == "m"}
        key = " ".join(str(value["S"]) for value in arguments["Key"].values())
        return f"{kind} {key} {numbers}"
    return arguments.get("TableName", "")


def _reasons(refused: ClientError) -> str:
    reasons = refused.response.get("CancellationReasons")
    if reasons is None:
        return refused.response["Error"]["Code"]
    return ", ".join(f"{index}: {reason['Code']}" for index, reason in enumerate(reasons) if reason["Code"] != "None")
