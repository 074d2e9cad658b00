"""Gains of one run over another by class, on the same tasks (PAINet, Liu et al., 2023, Table 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prep.progress import Work
from zoo.drawing import COLOURS, COLUMN, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._subject import Subject, labels
from zoo.named_arrays import NamedArrays
from zoo.report.tally import class_accuracy, class_gains, paired_difference


@dataclass(frozen=True)
class Options:
    """`classes`: how many are drawn, those with the largest gain or loss; the arrays have all."""

    classes: int = 20


class Figure(_figure.Figure):
    """Accuracy of the second run minus that of the first, class by class, with paired 95 % intervals."""

    Options = Options
    least, most = 2, 2

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`before`, `after`, `gain`, `low` and `high` (class) in points, all queries' `difference` and `interval`.

        Raises PairError where the runs were not measured on the same tasks.
        """
        before = yield from subjects[0].answers()
        after = yield from subjects[1].answers()
        gain, all_of = class_gains(after, before), paired_difference(after, before)
        arrays = {
            "before": 100 * class_accuracy(before).accuracy,
            "after": 100 * class_accuracy(after).accuracy,
            "gain": 100 * gain.accuracy,
            "low": 100 * gain.low,
            "high": 100 * gain.high,
            "queries": gain.queries,
            "class_id": gain.label,
        }
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(arrays, ("class",))
        arrays |= {"difference": np.array(100 * all_of.mean), "interval": np.array(100 * all_of.interval)}
        axes |= {"difference": (), "interval": (), "run": ("run",)}
        arrays["run"] = np.arange(2)
        classes = subjects[0].store.info.classes
        named = {"class": tuple(classes[label] for label in gain.label), "run": tuple(labels(subjects))}
        return NamedArrays(arrays, axes, named)

    def draw(self, arrays: NamedArrays) -> Any:
        """Horizontal bars, the largest gain on top."""
        gain = arrays["gain"]
        most = np.argsort(-np.abs(gain), kind="stable")[: self.options.classes]
        order = most[np.argsort(gain[most], kind="stable")]
        names, (first, second) = arrays.labels["class"], arrays.labels["run"]
        with style():
            figure = new_figure(COLUMN, 0.7 + 0.16 * len(order))
            axis = figure.subplots()
            places = np.arange(len(order))
            colours = [COLOURS[0] if gain[place] >= 0 else COLOURS[1] for place in order]
            ends = np.stack([gain[order] - arrays["low"][order], arrays["high"][order] - gain[order]])
            bars = {"ecolor": "black", "elinewidth": 0.7, "capsize": 1.5}
            axis.barh(places, gain[order], color=colours, xerr=np.where(np.isfinite(ends), ends, 0), error_kw=bars)
            axis.set_yticks(places, [text(names[place], 28) for place in order])
            axis.axvline(0, color="black", linewidth=0.6)
            axis.set_xlabel("gain in points, 95 % interval")
            axis.set_title(f"{text(second, 34)} over {text(first, 34)}", fontsize=6)
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """The paired difference of all queries."""
        first, second = arrays.labels["run"]
        difference, interval = arrays.number("difference"), arrays.number("interval")
        return [f"{second} minus {first}: {difference:+.2f} ± {interval:.2f} points on the same tasks (95 %)"]
