"""What a stack is made of: names from Terraform's output, all else from the function that is deployed.

The definition, the tables that are kept and the settings are read from the function's own environment, so that a
command computes with what runs, not with what a working copy says. Pure.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from aggregator import definition, delivery
from aggregator.definition import Definition
from aggregator.row_schema import RowSchema, RowSchemaError

#: Seconds for which Lambda may go on with the earlier configuration after an update, until the update is through.
UPDATE_SECONDS = 60
#: Seconds in which DynamoDB may still carry out a request whose answer nobody waited for (docs/decisions/0005).
REQUEST_SECONDS = 30
#: The longest timeout that a function can have, in seconds.
LONGEST_TIMEOUT = 900


class SettingsError(Exception):
    """The stack cannot be worked with as it is described or deployed; the message says what to do."""


@dataclass(frozen=True)
class Settings:
    """The module's output ``operations``."""

    function_arn: str
    source_table_name: str
    failure_bucket_name: str
    event_source_mapping_uuid: str

    @property
    def function_name(self) -> str:
        """The function's name, by which its metrics are told apart."""
        return self.function_arn.split(":")[6]

    @property
    def region(self) -> str:
        """The region of the stack."""
        return self.function_arn.split(":")[3]


@dataclass(frozen=True)
class Deployed:
    """What the function is configured as. ``identity`` changes with its code and environment alone; ``modified_at`` is
    the epoch second of the last change, ``is_updating`` says that one is under way. ``ledger_retention`` is in
    seconds, None: entries with contributions stay. ``schema`` is how rows stand in the aggregate table."""

    definition: Definition
    aggregate_table: str
    ledger_table: str
    append_only: bool
    keeps_expired: bool
    ledger_retention: int | None
    schema: RowSchema
    modified_at: float
    is_updating: bool
    identity: tuple[str, str]

    def runs(self, package: bytes) -> bool:
        """Whether this zip file is what the function runs."""
        return self.identity[0] == b64encode(sha256(package).digest()).decode()

    def seconds_to_wait(self, now: float, earlier_timeout: int) -> float:
        """How long an invocation under an earlier configuration, or a request of one, may still be under way.

        ``now`` is an epoch second, ``earlier_timeout`` the timeout of the function before its last change.
        """
        return max(0.0, self.modified_at + UPDATE_SECONDS + earlier_timeout + REQUEST_SECONDS - now)


def read_settings(text: str, name: str) -> Settings:
    """The settings from what ``terraform output -json`` prints. Raises :class:`SettingsError`.

    ``name`` is the output whose value is the module's output ``operations``.
    """
    try:
        outputs = json.loads(text)
        value = outputs[name]["value"]
        fields = {field: str(value[field]) for field in Settings.__dataclass_fields__}
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"this is not what `terraform output -json` prints of a configuration with the output {name} ({error!r}); "
            f'add to the root module: output "{name}" {{ value = module.<name of the call>.operations }}, and apply'
        ) from None
    return Settings(**fields)


def read_deployed(configuration: Mapping[str, Any]) -> Deployed:
    """The deployed function from the answer of Lambda's GetFunctionConfiguration. Raises :class:`SettingsError`."""
    variables = configuration.get("Environment", {}).get("Variables", {})
    kind = variables.get("DELIVERY") or delivery.LEDGER
    if kind != delivery.LEDGER:
        raise SettingsError(f"the function has delivery {kind}; these commands need the ledger (docs/deliveries.md)")
    append_only = variables.get("APPEND_ONLY") == "true"
    try:
        declared = definition.parse(definition.decode(variables["AGGREGATES"]), append_only=append_only)
        tables = variables["AGGREGATE_TABLE"], variables["LEDGER_TABLE"]
        schema = RowSchema.parse(variables.get("ROW_SCHEMA") or "{}")
    except KeyError as missing:
        raise SettingsError(
            f"the function has no environment variable {missing}: either it is not one of this module, or its "
            "environment cannot be decrypted; whoever runs the command needs kms:Decrypt for the module's kms_key_arn"
        ) from None
    except (definition.DefinitionError, RowSchemaError) as error:
        raise SettingsError(f"the deployed definition is not one for this version of the package: {error}") from None
    days = variables.get("LEDGER_RETENTION_DAYS")
    return Deployed(
        definition=declared,
        aggregate_table=tables[0],
        ledger_table=tables[1],
        append_only=append_only,
        keeps_expired=variables.get("ON_SOURCE_EXPIRY") == "keep",
        ledger_retention=int(days) * 86_400 if days else None,
        schema=schema,
        # 2026-01-01T00:00:00.000+0000
        modified_at=datetime.fromisoformat(configuration["LastModified"]).timestamp(),
        is_updating=configuration.get("LastUpdateStatus", "Successful") != "Successful",
        identity=(configuration["CodeSha256"], json.dumps(variables, sort_keys=True)),
    )
