"""Run simulations, replay one with its trace, or check that deliberate faults are caught.

make simulate SEEDS=100000    any number of seeds; exit code 1 and the seed where one goes wrong
make simulate SEED=42         one seed, with every event
make simulate OF=deliveries   the same for the deliveries without a ledger
make mutants                  each deliberate fault, and how many seeds it took to notice it
"""

import argparse
import sys

from . import campaign, deliveries, mutants, simulation

#: What can be simulated: the ledger, and the deliveries without one.
SIMULATIONS = {"simulation": simulation.simulate, "deliveries": deliveries.simulate}


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Simulations of the aggregator.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, help="run this seed alone and print its trace")
    parser.add_argument("--of", choices=SIMULATIONS, default="simulation", help="which simulation")
    parser.add_argument("--mutants", action="store_true", help="check that each deliberate fault is caught")
    arguments = parser.parse_args()
    if arguments.mutants:
        return mutants.check_all()
    simulate = SIMULATIONS[arguments.of]
    if arguments.seed is not None:
        print(simulate(arguments.seed, print))
        return 0
    result = campaign.run(arguments.first, arguments.seeds, simulate)
    if isinstance(result, campaign.Failure):
        print(f"seed {result.seed} ends wrong: {result.reason}", file=sys.stderr)
        print(f"replay it: make simulate OF={arguments.of} SEED={result.seed}", file=sys.stderr)
        return 1
    print(f"{result}: no wrong state")
    return 0


if __name__ == "__main__":
    sys.exit(main())
