"""Recipe: every choice that makes a run what it is. `zoo/experiment/resolve.py` makes one; a saved one is runnable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from episodes.options import Augment, Task
from manifests.split import Split
from manifests.split_file import split
from zoo import registry
from zoo.engine.options import Optimiser

FORMAT = 1
# A run adds small numbers to its seeds; random generators take 64 bits, numpy's oldest ones 32.
LARGEST_SEED = 2**32 - 1
# More than any machine finishes, and few enough for its arrays.
LARGEST_COUNT = 10**9
LARGEST_FRAMES = 10_000


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
    if value > most:
        raise ValueError(f"{name} is {value}; it must be at most {most:,}")


def added(default: Any, before: Any) -> Any:
    """A field added after format 1: `before` is the value that means what runs did without it.

    A recipe's digest leaves the field out while it has that value (zoo.experiment.identity).
    """
    return field(default=default, metadata={"before": before})


@dataclass(frozen=True)
class Data:
    """Which clips, and how they become tensors of T frames.

    `class_split` numbers the class split where a split has several. `clip_seed` draws the clips of each class by
    another seed than the split's (-1), and `clips_per_class` another number of them than the split's (0).
    `preprocessing` names the store's ("" is the dataset's default). `streams` are joined along the channels.
    `train_rule` and `test_rule` are sampling rules of episodes.resample. `embedding` names the stored embedding that a
    pre-training stage learns from. `pool` is the number format in which clips are kept on the device.
    `keep_empty` serves clips that show nobody too, as zeros. `other_camera` is the probability that the second view of
    a clip in pre-training is another camera's recording of the same performance, where there is one.
    `skip_empty_bodies` leaves empty bodies out in training too: faster, but batch statistics no longer include zeros.
    """

    split: str = "ntu_t"
    class_split: int = 0
    clip_seed: int = -1
    clips_per_class: int = 0
    preprocessing: str = ""
    embedding: str = ""
    frames: int = 30
    streams: tuple[str, ...] = ("joint",)
    train_rule: str = "segments"
    test_rule: str = "segments"
    pool: Literal["float32", "float16", "bfloat16"] = added("float32", before="float32")
    skip_empty_bodies: bool = added(False, before=False)
    keep_empty: bool = added(False, before=False)
    other_camera: float = added(0.0, before=0.0)

    def __post_init__(self) -> None:
        _check_range("clip_seed", self.clip_seed, -1, LARGEST_SEED)
        _check_range("clips_per_class", self.clips_per_class, 0, LARGEST_COUNT)
        _check_range("frames", self.frames, 1, LARGEST_FRAMES)
        if not 0 <= self.other_camera <= 1:
            raise ValueError(f"other_camera is {self.other_camera}; a probability is 0..1")


@dataclass(frozen=True)
class Choice:
    """A method, stage or backbone by name or by the path of your own .py file, with the fields of its `Options`."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Init:
    """Initial weights: `source` is a recipe, which is trained first, or a finished run; "" is random initialisation.

    `part` is the module whose weights are taken, or a list of modules. `settings` are key=value settings of a source
    that is a recipe.
    """

    source: str = ""
    part: str | tuple[str, ...] = "backbone"
    settings: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The modules whose weights are taken."""
        return (self.part,) if isinstance(self.part, str) else self.part


@dataclass(frozen=True)
class Budget:
    """How long to train. Methods count `episodes`, pre-training stages `epochs` over the base clips; the other is 0.

    `batch` is episodes, or clips of a stage, per step; a stage adds up the gradients of `accumulate` such batches.
    Every `episodes_per_epoch` a method is validated on `validation_episodes` (0: never) and the schedule moves;
    `early_stopping` epochs without a new best end the run (0: never). A checkpoint is written about every
    `checkpoint_every` episodes or clips. `per_class` clips of each class are in a batch of a stage (0: any clips). The
    reported number is measured on `test_episodes`, or for exemplar protocols
    on `exemplar_draws` draws of exemplars; `test_seed` fixes them for every run. `select_on_test` chooses the best
    weights on the test tasks, as some published code does; the result is labelled so.
    """

    episodes: int = 100_000
    epochs: int = 0
    batch: int = 1
    episodes_per_epoch: int = 1_000
    validation_episodes: int = 500
    early_stopping: int = 0
    checkpoint_every: int = 100
    test_episodes: int = 500
    exemplar_draws: int = 1
    test_seed: int = 0
    accumulate: int = added(1, before=1)
    select_on_test: bool = added(False, before=False)
    per_class: int = added(0, before=0)

    def __post_init__(self) -> None:
        least_1 = ("batch", "accumulate", "episodes_per_epoch", "checkpoint_every", "test_episodes", "exemplar_draws")
        for name in least_1:
            _check_range(name, getattr(self, name), 1, LARGEST_COUNT)
        for name in ("episodes", "epochs", "validation_episodes", "early_stopping", "per_class"):
            _check_range(name, getattr(self, name), 0, LARGEST_COUNT)
        _check_range("test_seed", self.test_seed, 0, LARGEST_SEED)
        if self.per_class and self.batch % self.per_class:
            raise ValueError(f"per_class is {self.per_class}; it must divide batch, which is {self.batch}")


@dataclass(frozen=True)
class Evaluation:
    """What is done at test time only, by any method; training does not change.

    `mirror` averages the feature maps of a clip and of its mirror image. `samples` averages the maps of that many
    temporal samples of a clip. `centre` subtracts the mean map of the base classes, and `unit` divides every map by its
    norm, so that squared distances become cosines. `join` names an untrained recipe (such as `geometry`) whose scores
    are added, both divided by their spread over the base classes, its own times its skill there (0 at chance, 1 without
    an error); "best" takes the one that is best on base classes.
    """

    mirror: bool = False
    samples: int = 1
    centre: bool = False
    unit: bool = False
    join: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= 32:
            raise ValueError(f"samples is {self.samples}; it must be 1 to 32")


@dataclass(frozen=True)
class Recipe:
    """One experiment. `table` names the published table that it repeats ("" for none); `format` is its version."""

    name: str
    title: str
    source: str
    method: Choice
    table: str = ""
    backbone: Choice = Choice("stgcn")
    init: Init = Init()
    data: Data = Data()
    augment: Augment = field(default_factory=Augment)
    task: Task = field(default_factory=Task)
    optimiser: Optimiser = field(default_factory=Optimiser)
    budget: Budget = Budget()
    evaluation: Evaluation = field(default_factory=Evaluation, metadata={"before": Evaluation()})
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "float32"
    seed: int = 0
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"name is {self.name!r}; it becomes a folder's name, so letters, digits, . _ - only")
        if self.format != FORMAT:
            raise ValueError(f"format is {self.format}; this version reads {FORMAT}. Upgrade fewshot-skeleton")
        _check_range("seed", self.seed, 0, LARGEST_SEED)


def is_stage(recipe: Recipe) -> bool:
    """Whether the recipe trains a pre-training stage rather than a method."""
    return registry.kind_of(recipe.method.name, "methods", "pretrain") == "pretrain"


def classes(recipe: Recipe) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(train, validation, test) labels of the recipe's split, of the chosen class split where there are several."""
    chosen: Split = split(recipe.data.split)
    if chosen.draws:
        draw = chosen.draws[recipe.data.class_split]
        return draw.train, (), draw.test
    return chosen.train, chosen.val, chosen.test


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML that `resolve` reads back to the same recipe."""
    import tomli_w

    return tomli_w.dumps(json.loads(json.dumps(asdict(recipe))))
