"""Deliberate faults of the package: each has to be noticed, or the guarantee that it breaks is not tested.

A mutant replaces text in a copy of the package, which a process of its own then simulates with. Where the text is not
there exactly once any more, the table below has to follow the code.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: A mutant that survives so many seeds counts as not caught.
MAX_SEEDS = 4_000

_PROGRAM = """
from tests.simulation.campaign import first_failure
from tests.simulation.{simulation} import simulate
tried, failure = first_failure(range({seeds}), simulate)
print(tried if failure else 0)
print(failure.reason.strip().splitlines()[-1][:300] if failure else "")
"""


@dataclass(frozen=True)
class Mutant:
    """A fault: what it is, in which module of the package, the text that is replaced, and the simulation to notice it.

    ``simulation`` is the module of tests/simulation that it is in.
    """

    fault: str
    module: str
    old: str
    new: str
    simulation: str = "simulation"


MUTANTS = (
    # The ledger entry's condition
    Mutant(
        "an entry is written whatever its version",
        "records",
        'older = "version < :version AND contributions = :expected"',
        'older = "contributions = :expected AND :version = :version"',
    ),
    Mutant(
        "an entry is written whatever it contributes",
        "records",
        'older = "version < :version AND contributions = :expected"',
        'older = "version < :version AND attribute_exists(contributions) AND :expected = :expected"',
    ),
    Mutant(
        "an entry that is there is not expected to be there",
        "records",
        'return f"attribute_not_exists(pk) OR ({older})", values',
        'return f"attribute_not_exists(pk) OR (:version = :version AND :expected = :expected)", values',
    ),
    Mutant(
        "versions are compared without padding",
        "ledger",
        "{sequence_number:0>40}",
        "{sequence_number}",
    ),
    # What a refusal teaches
    Mutant(
        "what the entry really holds is not learned",
        "records",
        "        self.expected = from_text(text)\n",
        "        pass\n",
    ),
    Mutant(
        "a duplicate is taken for a record still to be applied",
        "records",
        "if entry is not None and entry.version >= self.version:",
        "if entry is not None and entry.version > self.version:",
    ),
    Mutant(
        "a newer record is given up where an older one was applied",
        "records",
        "if entry is not None and entry.version >= self.version:",
        "if entry is not None:",
    ),
    Mutant(
        "an absent entry is taken for one that was applied",
        "records",
        "if entry is not None and entry.version >= self.version:",
        "if entry is None or entry.version >= self.version:",
    ),
    # Rows in the source table
    Mutant("records of rows count as items do", "records", "    return schema.has_row(key)\n", "    return False\n"),
    Mutant("a backfill takes rows for items", "source", "if not self._schema.has_row(key)]", "]"),
    # Rows
    Mutant(
        "a row is deleted whatever it holds",
        "store",
        '"ConditionExpression": "NOT #items > :leaving",',
        '"ConditionExpression": "NOT #items > :leaving OR #items > :leaving",',
    ),
    Mutant(
        "a row that loses its last item stays",
        "store",
        'conditions.append("#items > :leaving")',
        'conditions.append("#items >= :leaving")',
    ),
    Mutant(
        "what a refusal says of a row is not learned",
        "apply",
        "            self._known.rows[row] = state\n",
        "            pass\n",
    ),
    Mutant("the number of items is not kept", "store", "        if delta.items:\n", "        if False:\n"),
    Mutant(
        "what is taken back is not negative",
        "transactions",
        "combine = EXACT.subtract",
        "combine = EXACT.add",
    ),
    Mutant(
        "a row adds up in the amounts of its first item",
        "transactions",
        "self.amounts = contribution.amounts.copy()",
        "self.amounts = contribution.amounts",
    ),
    Mutant(
        "a row is left out where the items are the same",
        "transactions",
        "            and not any(self.amounts.values())\n",
        "",
    ),
    Mutant(
        "a measure that is new to a row is left out where it is zero",
        "transactions",
        "        return _attributes(self._put_in) - _attributes(self._taken_out)\n",
        "        return set()\n",
    ),
    Mutant(
        "when a row expires is not agreed on",
        "records",
        "            elif row in expires_at and expires_at[row] != contribution.expires_at:\n",
        "            elif False:\n",
    ),
    Mutant(
        "when a row expires is not a condition",
        "store",
        'conditions.append("(attribute_not_exists(#pk) OR #expires_at = :expires_at)")',
        'conditions.append("(attribute_not_exists(#pk) OR :expires_at = :expires_at)")',
    ),
    # Extremes and distinct values
    Mutant(
        "the ends of a row do not depend on its revision",
        "store",
        'conditions.append("#revision = :before")',
        'conditions.append(":before = :before")',
    ),
    Mutant(
        "an end that is taken out is not looked for",
        "extremes",
        "if any(not _is_beyond(end, current, old.by) for _, old in _entries_taken_out(delta, end)):",
        "if False:",
    ),
    Mutant(
        "of an index only the first entry is read",
        "extremes",
        "return Lookup(row, end.name, expires_at, end.end, taken_out + 1)",
        "return Lookup(row, end.name, expires_at, end.end, 1)",
    ),
    Mutant(
        "of two at the same time the later write wins",
        "extremes",
        "return not any(standing.value is not None and standing.by == current for standing in _put_in(delta, end))",
        "return True",
    ),
    Mutant(
        "an index entry stays when its item goes",
        "transactions",
        "return self.entries and {key: change for key, change in self.entries.items() if change.old != change.new}",
        "return {key: change for key, change in self.entries.items() if change.old != change.new and change.new}",
    ),
    Mutant(
        "a value counts whether it is new to the row or not",
        "store",
        'condition, update = "attribute_not_exists(#references)", "SET #references = :amount"',
        'condition, update = ":amount = :amount", "SET #references = :amount"',
    ),
    Mutant(
        "a value that others share is forgotten with one of them",
        "store",
        'condition, update = "#references > :amount", "ADD #references :difference"',
        'condition, update = ":amount = :amount", "ADD #references :difference"',
    ),
    Mutant(
        "what a refusal says of a value is not learned",
        "apply",
        "            self._known.references[value] = count\n",
        "            pass\n",
    ),
    # Rows that are spread over parts
    Mutant(
        "a distinct value is counted in the part of its item",
        "contributions",
        "keys.values_part(keys.spread(value, write_shards))",
        "keys.values_part(keys.spread(entry_key, write_shards))",
    ),
    Mutant(
        "the part of an item is that of what it adds",
        "contributions",
        "own = keys.part(keys.spread(entry_key, write_shards))",
        "own = keys.part(keys.spread(str(shares), write_shards))",
        "deliveries",
    ),
    Mutant(
        "items that share values are read as items of the row",
        "reading",
        '_sums(["items"], numbered)',
        '_sums(["items"], found)',
    ),
    Mutant(
        "of the parts the first tells what came last",
        "reading",
        "(max, timed[::-1])",
        "(min, timed)",
    ),
    # Classification of errors and answers
    Mutant(
        "a lost answer counts as applied",
        "store",
        "            return Outcome(retry=[type(error).__name__])\n",
        "            return Outcome(applied=True)\n",
    ),
    Mutant(
        "a throttled write counts as applied",
        "store",
        "            return Outcome(retry=[code])\n",
        "            return Outcome(applied=True)\n",
    ),
    Mutant(
        "a conflict counts as applied",
        "store",
        "                case transient:\n                    outcome.retry.append(transient)\n        return outcome",
        "                case transient:\n                    return Outcome(applied=True)\n        return outcome",
    ),
    Mutant(
        "a conflict quarantines",
        "store",
        "                    outcome.retry.append(transient)\n",
        "                    outcome.invalid = transient\n",
    ),
    Mutant(
        "of mixed reasons only the first is read",
        "store",
        'outcome.entries[changes[index].entry_key] = _entry(reason.get("Item"))',
        'outcome.entries[changes[0].entry_key] = _entry(reason.get("Item"))',
    ),
    # The answer to Lambda
    Mutant(
        "failures are not reported",
        "handler",
        'failures = [] if first is None else [{"itemIdentifier": first}]',
        "failures = []",
    ),
    Mutant(
        "the last failure is reported, not the first",
        "handler",
        "first = min((change.earliest for change in result.unapplied), key=int, default=None)",
        "first = max((change.earliest for change in result.unapplied), key=int, default=None)",
    ),
    Mutant(
        "no margin is kept before the timeout",
        "handler",
        "SAFETY_MARGIN = CONNECT_TIMEOUT + READ_TIMEOUT + 1",
        "SAFETY_MARGIN = 0",
    ),
    # Records
    Mutant(
        "the last record of an item wins, not the newest",
        "records",
        "if key not in newest or record.version > newest[key].version:",
        "if True:",
    ),
    Mutant(
        "a change without a contribution is forgotten",
        "apply",
        "    pending = list(changes)\n    attempt = 0",
        "    pending = [c for c in changes if c.text != c.expected_text or c.error]\n    attempt = 0",
    ),
    Mutant(
        "a deletion is not seen",
        "records",
        '            definition, None if newest.event_name == "REMOVE" else newest.new_image, newest.entry_key, ',
        "            definition, newest.new_image or newest.old_image, newest.entry_key, ",
    ),
    Mutant(
        "a bad item blocks its batch",
        "records",
        "    except UnusableItem as unusable:\n        return {}, str(unusable)\n",
        "    except ZeroDivisionError as unusable:\n        return {}, str(unusable)\n",
    ),
    # Tombstones and quarantine
    Mutant(
        "a tombstone expires at once",
        "ledger",
        "TOMBSTONE_SECONDS = 7 * 86_400",
        "TOMBSTONE_SECONDS = 0",
    ),
    Mutant(
        "an entry with contributions expires",
        "ledger",
        "    elif contributions == NO_CONTRIBUTIONS:\n",
        "    elif True:\n",
    ),
    Mutant(
        "an item that its rows refused counts as done",
        "store",
        'fingerprint=self._definition.fingerprint if change.error == change.computed[1] else "",',
        "fingerprint=self._definition.fingerprint,",
    ),
    Mutant(
        "a row past its retention is written",
        "transactions",
        "if contribution.expires_at is not None and contribution.expires_at <= now:",
        "if False:",
    ),
    # Backfill and replay
    Mutant(
        "a backfill writes whatever the entry is now",
        "reconcile",
        'return "version = :read AND contributions = :expected", values',
        'return "attribute_exists(version) AND (:read = :read OR :expected = :expected)", values',
    ),
    Mutant(
        "a backfill writes although an entry has appeared",
        "reconcile",
        'return "attribute_not_exists(pk)", {}',
        'return "attribute_not_exists(pk) OR attribute_exists(pk)", {}',
    ),
    Mutant(
        "a backfill raises versions",
        "reconcile",
        "version=target.version or (entry.version if entry else LOWEST_VERSION),",
        'version=target.version or "3",',
    ),
    Mutant(
        "an item that is gone cannot be reconciled",
        "reconcile",
        "return target.version is None and entries[target.entry_key] is None and images[target.entry_key] is None",
        "return images[target.entry_key] is None",
    ),
    Mutant(
        "a backfill gives up an entry that has moved",
        "reconcile",
        "        again |= {change.entry_key for change in changes if change.moved}\n",
        "",
    ),
    Mutant(
        "a page counts as done whatever is left of it",
        "segments",
        "        if done.left:\n            return\n",
        "",
    ),
    Mutant(
        "a backfill goes on behind a page that could not be read",
        "segments",
        "        if page is None:\n            pause(clock, attempt)\n            attempt += 1\n            continue\n",
        "        if page is None:\n            yield replace(segment, done=True)\n            return\n",
    ),
    Mutant(
        "a replay raises the version only",
        "reconcile",
        "computed=compute(self._definition, image, target.entry_key, target.arrived_at),",
        "computed=(from_text(entry.contributions if entry else NO_CONTRIBUTIONS), None),",
    ),
    # Delivery watermark
    Mutant(
        "a row is written whatever its watermark",
        "rows",
        "OR {name} < {value})",
        "OR {name} < {value} OR {name} >= {value})",
        "deliveries",
    ),
    Mutant(
        "the record of the watermark itself is applied again",
        "watermark",
        'update.behind = name, {"S": position(taken[0].sequence_number)}',
        'update.behind = name, {"S": position(taken[0].sequence_number + 1)}',
        "deliveries",
    ),
    Mutant(
        "watermarks are compared without the number of digits",
        "watermark",
        'return f"{len(digits):02}{digits}"',
        'return f"{digits}"',
        "deliveries",
    ),
    Mutant(
        "all shards share one watermark",
        "watermark",
        "name = attribute(shard_id)",
        'name = attribute("shard" or shard_id)',
        "deliveries",
    ),
    Mutant(
        "the watermark is that of the first record",
        "watermark",
        "position(taken[-1].sequence_number)",
        "position(taken[0].sequence_number)",
        "deliveries",
    ),
    Mutant(
        "a refused row is given up",
        "watermark",
        "if watermark < position(step.sequence_number)]",
        "if False]",
        "deliveries",
    ),
    Mutant(
        "changes of an item telescope",
        "watermark",
        "steps = deltas.per_record(rows.definition, records)",
        "steps = deltas.telescoped(rows.definition, records)",
        "deliveries",
    ),
    Mutant(
        "a row whose changes cancel out is not written",
        "watermark",
        "if not delta.joined and not delta.taken_back:",
        "if delta.is_nothing:",
        "deliveries",
    ),
    Mutant(
        "a watermark is removed while its records can still come",
        "watermark",
        "int(applied_at) + DELIVERABLE_SECONDS <= now",
        "int(applied_at) <= now",
        "deliveries",
    ),
    Mutant(
        "an outdated watermark stays",
        "watermark",
        "return applied_at.isdecimal() and int(applied_at)",
        "return applied_at == watermark and int(applied_at)",
        "deliveries",
    ),
    Mutant(
        "an empty row expires while its records can still come",
        "watermark",
        "expires_at = now + DELIVERABLE_SECONDS",
        "expires_at = now",
        "deliveries",
    ),
    Mutant(
        "an empty row stays for ever",
        "watermark",
        'update.sets[schema.ttl_attribute] = {"N": str(expires_at)}',
        "pass",
        "deliveries",
    ),
    Mutant(
        "an item that joins an empty row expires with it",
        "watermark",
        "update.removes.append(rows.schema.ttl_attribute)",
        "pass",
        "deliveries",
    ),
    Mutant(
        "a row that has moved on is tidied as it was",
        "watermark",
        'update.unchanged = "revision", row.get("revision")',
        'update.there = "revision"',
        "deliveries",
    ),
    Mutant(
        "a row is not tidied where its records were applied before",
        "watermark",
        "        # Whoever wrote this may have died before the row was tidy.\n        work.tidy = row\n",
        "        work.done = True\n",
        "deliveries",
    ),
    Mutant(
        "a row that was turned away counts as done",
        "watermark",
        "        if outcome.retry:\n            _again(work)\n        elif",
        "        if outcome.retry:\n            work.done = True\n        elif",
        "deliveries",
    ),
    # Delivery none
    Mutant(
        "rows that were not written are not reported",
        "rows",
        "go_on_from=min((step.sequence_number for one in unwritten for step in one.steps), default=None),",
        "go_on_from=None,",
        "deliveries",
    ),
    Mutant(
        "an empty row is deleted whatever it holds by then",
        "at_least_once",
        'rows.delete(work.key, "#items = :none",',
        'rows.delete(work.key, "#items = :none OR attribute_exists(#items)",',
        "deliveries",
    ),
    Mutant(
        "a lost answer counts as written",
        "rows",
        "            return Outcome(retry=type(error).__name__)",
        "            return Outcome(written=True)",
        "deliveries",
    ),
    # Batches of statements
    Mutant(
        "a refused statement counts as written",
        "rows",
        'return [answer["Error"].get("Code", "no code") if "Error" in answer else None for answer in answers]',
        "return [None for answer in answers]",
        "deliveries",
    ),
    Mutant(
        "a batch without an answer counts as written",
        "batches",
        '["no answer"] * len(chosen)',
        "[None] * len(chosen)",
        "deliveries",
    ),
    Mutant(
        "what a batch has written is written again with what it has not",
        "batches",
        "            one.writes += 1\n            one.done = True\n",
        "",
        "deliveries",
    ),
    Mutant(
        "a statement changes a row whatever its watermark",
        "batches",
        "behind = update.behind",
        "behind = None",
        "deliveries",
    ),
    Mutant(
        "a statement takes the last item out of a row",
        "batches",
        '{"N": str(-write.delta.items)}',
        '{"N": "-1000000"}',
        "deliveries",
    ),
    Mutant(
        "a statement makes a row without items",
        "batches",
        "prepared.delta.items <= 0:",
        "prepared.delta.items < 0:",
        "deliveries",
    ),
    Mutant(
        "an item that joins an empty row by a statement expires with it",
        "batches",
        """*(f'REMOVE "{name}"' for name in removes),""",
        "",
        "deliveries",
    ),
    Mutant(
        "rows that are written in batches are never tidied",
        "batches",
        "return now < seen.tidy_at and",
        "return",
        "deliveries",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """Whether a mutant was caught: after how many seeds (0: not at all), and what was noticed."""

    mutant: Mutant
    seeds: int
    noticed: str


def check(mutant: Mutant) -> Verdict:
    """Simulate with the fault until it is noticed. Raises ``ValueError`` where the code is not as the mutant says."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "lambda_src", folder, dirs_exist_ok=True)
        module = Path(folder) / "aggregator" / f"{mutant.module}.py"
        source = module.read_text()
        if source.count(mutant.old) != 1:
            raise ValueError(f"{mutant.module}.py has {mutant.old!r} {source.count(mutant.old)} times, not once")
        module.write_text(source.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(seeds=MAX_SEEDS, simulation=mutant.simulation)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((folder, str(ROOT)))},
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise ValueError(f"the simulation does not start with the fault {mutant.fault!r}:\n{done.stderr}")
    seeds, noticed = done.stdout.splitlines()
    return Verdict(mutant, int(seeds), noticed)


def verdicts() -> Iterator[Verdict]:
    """Check every mutant, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield from threads.map(check, MUTANTS)


def check_all() -> int:
    """Check every mutant and print the table of docs/exactness.md; returns the exit code."""
    missed = 0
    print("| deliberate fault | in | seeds until noticed |\n| --- | --- | --- |")
    for verdict in verdicts():
        missed += verdict.seeds == 0
        print(
            f"| {verdict.mutant.fault} | {verdict.mutant.module} | {verdict.seeds or 'NOT NOTICED'} |"
            + (f" <!-- {verdict.noticed} -->" if os.environ.get("REASONS") else ""),
            flush=True,
        )
    print(f"\n{len(MUTANTS) - missed} of {len(MUTANTS)} faults noticed")
    return 1 if missed else 0
