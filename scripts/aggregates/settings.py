"""Which stack: names from Terraform's output. All else is read from the function that is deployed
(:mod:`aggregator.deployed`)."""

import json
from dataclasses import dataclass


class SettingsError(Exception):
    """The stack cannot be worked with as it is described; the message says what to do."""


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
