"""The plots of the reports, drawn by matplotlib, which only these need: it is imported when they are drawn."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import Case, Results, plot_name

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
#: Files that look the same wherever they are drawn, without the date and with the same names of their parts.
_SETTINGS = {"svg.hashsalt": "benchmarks", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def check() -> None:
    """Raises ``RuntimeError``, with what to install, where plots cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise RuntimeError(f"matplotlib, which draws the plots, is missing: pip install -r {REQUIREMENTS}")


def draw(results: Results, folder: Path) -> list[Path]:
    """One plot of records a second for each engine; returns the files."""
    from matplotlib import pyplot

    files = []
    with pyplot.rc_context(_SETTINGS):
        for engine in dict.fromkeys(case.engine for case in results.measurements):
            workloads = list(dict.fromkeys(case.workload for case in results.measurements))
            subjects = list(dict.fromkeys(case.subject for case in results.measurements))
            figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
            width = 0.9 / len(subjects)
            for place, subject in enumerate(subjects):
                cases = {at: Case(engine, workload, subject) for at, workload in enumerate(workloads)}
                known = {at: results.rate(case) for at, case in cases.items() if case in results.measurements}
                offset = (place - (len(subjects) - 1) / 2) * width
                axes.bar([at + offset for at in known], list(known.values()), width, label=subject)
            axes.set_yscale("log")
            axes.set_ylabel("records a second")
            axes.set_xticks(range(len(workloads)), workloads)
            axes.set_title(f"Records a second, {engine}; more is better")
            axes.legend(ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08))
            files.append(folder / plot_name(engine))
            figure.savefig(files[-1], metadata={"Date": None})
            pyplot.close(figure)
    return files


def draw_curves(curves: Mapping[str, Mapping[str, Mapping[str, Mapping[int, float]]]], file: Path) -> None:
    """A plot for each curve and value: ``curves`` are values by size, by line, by what the axis says, by what grows."""
    from matplotlib import pyplot

    values = list(next(iter(curves.values())))
    with pyplot.rc_context(_SETTINGS):
        figure, grid = pyplot.subplots(
            len(values),
            len(curves),
            figsize=(3.2 * len(curves), 2.3 * len(values)),
            layout="constrained",
            squeeze=False,
            sharey="row",
        )
        for column, (what, lines_of) in enumerate(curves.items()):
            for row, value in enumerate(values):
                axes = grid[row][column]
                for name, points in lines_of[value].items():
                    axes.plot(list(points), list(points.values()), marker="o", markersize=3, label=name)
                axes.set(xscale="log", xticks=list(points), xticklabels=[f"{size:,}" for size in points])
                axes.minorticks_off()
                if row == len(values) - 1:
                    axes.set_xlabel(what)
                if column == 0:
                    axes.set_ylabel(f"{value} a record")
        for axes in grid[:, 0]:
            axes.set_ylim(bottom=0)
        grid[0][0].legend(frameon=False)
        figure.savefig(file, metadata={"Date": None})
        pyplot.close(figure)
