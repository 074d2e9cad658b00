"""Recipe + store -> pools and loaders. The one place where it is decided which clips a learner may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from episodes.cameras import Cameras
from episodes.draw import Classes
from episodes.loader import BatchLoader, EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler, ExemplarSampler
from episodes.transform import ClipTransform
from manifests.facts import dataset, names
from manifests.layout import Layout
from manifests.pattern import match_name
from manifests.split import Split
from manifests.split_file import split
from manifests.strict import hint
from manifests.text import counted
from prep.preprocessing.quality import FLAGS
from prep.store.read import Store
from zoo.experiment.recipe import Recipe, classes

# Validation and test draw from separate random streams, whatever the recipe's seed is.
VALIDATION_SEED = 1_000_003
BASE_SEED = 2_000_003
BASE_TASKS = 50

Targets = tuple[Float[Tensor, "X D"], Bool[Tensor, "X"]]


class SetupError(Exception):
    """The store does not hold what the recipe needs; the text says what to build or change."""


@dataclass(frozen=True)
class Pools:
    """The clips of base, validation and test classes on a device, and remarks on clips that are left out."""

    base: Pool
    validation: Pool
    test: Pool
    remarks: tuple[str, ...] = ()


def load_pools(recipe: Recipe, store: Store, device: torch.device, training: bool) -> Pools:
    """The clips of the recipe's classes that its split (or clip seed) selects, read in one pass.

    A recipe that is only measured has no validation clips, and base clips only where its evaluation looks at them.
    """
    base, validation, test = classes(recipe)
    needs_base = training or recipe.evaluation.centre or bool(recipe.evaluation.join)
    chosen = (base if needs_base else (), validation if training else (), test)
    clips = [_chosen_clips(recipe, store, ids) if ids else [] for ids in chosen]
    kind, empty = getattr(torch, recipe.data.pool), recipe.data.keep_empty
    pools = Pool.load_several(store, clips, device, kind, keep_empty=empty)
    remarks = left_out(recipe, store, [label for ids in chosen for label in ids], pools)
    return Pools(pools[0], pools[1], pools[2], remarks)


def load_base(recipe: Recipe, store: Store, device: torch.device) -> Pool:
    """The clips of the base classes alone, for a pre-training stage."""
    base, *novel = classes(recipe)
    kind, empty = getattr(torch, recipe.data.pool), recipe.data.keep_empty
    pool = Pool.load(store, _chosen_clips(recipe, store, base), device, kind, keep_empty=empty)
    check_no_novel(pool, [label for ids in novel for label in ids])
    return pool


def left_out(recipe: Recipe, store: Store, class_ids: Sequence[int], pools: Sequence[Pool]) -> tuple[str, ...]:
    """A remark for each reason for which clips of these classes are not served: nobody in them, or an excluded flag."""
    chosen, clips = split(recipe.data.split), _chosen_clips(recipe, store, class_ids)
    without_frames = int((np.diff(store.offsets)[clips] == 0).sum())
    nobody = sum(pool.left_out for pool in pools) - without_frames
    flagged = int((_flagged(chosen, store) & np.isin(store.label, list(class_ids))).sum())
    reasons = (
        (without_frames, "without frames"),
        (nobody, "for showing nobody (data.keep_empty = true keeps them)"),
        (flagged, f"with a flag that {chosen.name} excludes ({', '.join(chosen.exclude_flags)})"),
    )
    return tuple(f"{counted(count, 'clip')} left out {why}" for count, why in reasons if count)


def _flagged(chosen: Split, store: Store) -> NDArray[np.bool_]:
    """(clips,): whether a clip carries a flag that the split excludes. Raises SetupError for an unknown flag."""
    bits = {flag.name: flag.bit for flag in FLAGS}
    for name in chosen.exclude_flags:
        if name not in bits:
            raise SetupError(f"{chosen.name}: exclude_flags: `{name}` is not a flag. {hint(name, bits)}")
    if not chosen.exclude_flags:
        return np.zeros(len(store), np.bool_)
    return np.asarray(store.quality & sum(bits[name] for name in set(chosen.exclude_flags))) != 0


def check_no_novel(pool: Pool, novel: Sequence[int]) -> None:
    """Raise SetupError when a pool that a stage learns from holds a clip of a novel class."""
    strange = torch.isin(pool.label, torch.tensor(sorted(novel), dtype=torch.int64, device=pool.device))
    if bool(strange.any()):
        clip = int(strange.nonzero()[0])
        label = int(pool.label[clip])
        raise SetupError(
            f"{pool.names[clip]} is of the novel class {label} ({pool.classes[label]}): a pre-training stage may not "
            "see it. Use a split whose base classes exclude it."
        )


def check_store(recipe: Recipe, store: Store) -> None:
    """Raise SetupError when the store is of another dataset or preprocessing than the recipe asks, or lacks classes."""
    chosen = split(recipe.data.split)
    if store.info.dataset != chosen.dataset:
        raise SetupError(
            f"{store.path} holds {store.info.dataset}, but split {chosen.name} belongs to {chosen.dataset}. "
            f"Build it (`fsprep build {chosen.dataset}`) or choose another split with --data."
        )
    absent = sorted(label for label in chosen.classes if label >= len(store.info.classes))
    if absent:
        known = f"{chosen.dataset} has {len(store.info.classes)} classes, numbered from 0"
        raise SetupError(f"{chosen.name} names the classes {absent}, but {known}. Correct the split.")
    if chosen.class_names and chosen.class_names != store.info.classes:
        rule = f"gives classes by name, and {chosen.dataset}.toml has other classes than {store.path}"
        raise SetupError(f"{chosen.name} {rule}. Build the store again, or restore the dataset file.")
    wanted = recipe.data.preprocessing
    if wanted and store.info.preprocessing != wanted:
        raise SetupError(
            f"{store.path} was preprocessed by `{store.info.preprocessing}`, the recipe asks for `{wanted}`. "
            f"Build it with --preprocessing {wanted}, or --set data.preprocessing={store.info.preprocessing}."
        )


def transform(recipe: Recipe, pool: Pool, layout: Layout, training: bool) -> ClipTransform:
    """The recipe's sampling, streams and (in training) augmentation."""
    data = recipe.data
    rule = data.train_rule if training else data.test_rule
    sampling = Sampling(frames=data.frames, rule=rule)
    return ClipTransform(pool, layout, sampling, data.streams, recipe.augment, seed=recipe.seed, train=training)


def training_episodes(recipe: Recipe, pool: Pool, layout: Layout) -> EpisodeLoader:
    """Random tasks of the base classes, one at a time."""
    return _episodic(recipe, pool, layout, classes(recipe)[0], recipe.seed, recipe.budget.episodes, training=True)


def validation_episodes(recipe: Recipe, pool: Pool, layout: Layout) -> EpisodeLoader | None:
    """Random tasks of the validation classes; None where the split or the budget has none."""
    budget, ids = recipe.budget, classes(recipe)[1]
    if not (ids and budget.validation_episodes):
        return None
    seed = VALIDATION_SEED + budget.test_seed
    return _episodic(recipe, pool, layout, ids, seed, budget.validation_episodes, training=False)


def base_tasks(recipe: Recipe, pool: Pool, layout: Layout) -> EpisodeLoader:
    """Random tasks of the base classes as they are tested, for the spread of scores: as many ways as there are."""
    ids = classes(recipe)[0]
    members = Classes.of(pool, ids)
    way, smallest = min(recipe.task.way, len(ids)), min(members.counts)
    shot = min(recipe.task.shot, max(1, smallest - 1))
    task = Task(way, shot, max(1, min(recipe.task.queries_per_class, smallest - shot)))
    sampler = EpisodicSampler(members, task, BASE_SEED, BASE_TASKS)
    return EpisodeLoader(transform(recipe, pool, layout, training=False), sampler)


def test_loaders(recipe: Recipe, pool: Pool, layout: Layout) -> tuple[EpisodeLoader, ...]:
    """One loader of many tasks, or for exemplar protocols one loader for each draw of exemplars."""
    budget, chosen, ids = recipe.budget, split(recipe.data.split), classes(recipe)[2]
    if recipe.task.across and chosen.protocol != "episodic":
        rule = f"task.across is {recipe.task.across}, and {chosen.name} has one task with fixed exemplars"
        raise SetupError(f"{rule}. Leave task.across empty, or take an episodic split.")
    if chosen.protocol == "episodic":
        return (_episodic(recipe, pool, layout, ids, budget.test_seed, budget.test_episodes, training=False),)
    evaluation, members = transform(recipe, pool, layout, training=False), Classes.of(pool, ids)
    if chosen.choice == "first":
        named = _named_exemplars(recipe, chosen, pool, ids)
        return (EpisodeLoader(evaluation, ExemplarSampler(pool, members, recipe.task.shot, named=named)),)
    class_split = recipe.data.class_split if chosen.draws else None
    seeds = range(budget.test_seed, budget.test_seed + budget.exemplar_draws)
    samplers = [ExemplarSampler(pool, members, recipe.task.shot, seed, class_split=class_split) for seed in seeds]
    return tuple(EpisodeLoader(evaluation, sampler) for sampler in samplers)


def base_batches(
    recipe: Recipe, pool: Pool, layout: Layout, views: int, targets: Targets | None, cameras: Cameras | None = None
) -> BatchLoader:
    """Shuffled clips of the base classes in `views` random views."""
    transforms = [transform(recipe, pool, layout, training=True) for _ in range(views)]
    budget = recipe.budget
    ids = classes(recipe)[0]
    return BatchLoader(transforms, ids, budget.batch, budget.epochs, recipe.seed, targets, budget.per_class, cameras)


def other_cameras(recipe: Recipe, pool: Pool, views: int) -> Cameras | None:
    """The recordings of each performance, for data.other_camera; None where it is 0.

    Names that are equal but for the camera's number are recordings of one performance; where the dataset's names have
    none, each clip is a performance of its own. Raises SetupError for a stage of one view, which has no second one.
    """
    probability = recipe.data.other_camera
    if not probability:
        return None
    if views < 2:
        rule = f"data.other_camera is {probability:g}, and {recipe.method.name} learns from one view of a clip"
        raise SetupError(f"{rule}. Leave data.other_camera at 0.")
    pattern = _pattern(split(recipe.data.split).dataset)
    labelled = zip(pool.names, pool.label.tolist(), strict=True)
    performances = [(_without_camera(pattern, name), label) for name, label in labelled]
    return Cameras.of(performances, probability, pool.device)


def camera_remarks(recipe: Recipe, cameras: Cameras | None) -> tuple[str, ...]:
    """How many clips have a second camera, for a recipe that asks for one."""
    if cameras is None:
        return ()
    clips = f"{int((cameras.size > 1).sum())} of {counted(len(cameras.size), 'clip')}"
    return (f"data.other_camera = {recipe.data.other_camera:g}: another camera recorded {clips} too",)


def _pattern(dataset_name: str) -> str:
    """The pattern of the clips' names; "" for a custom dataset, whose file the recipe does not know."""
    return dataset(dataset_name).pattern if dataset_name in names("datasets") else ""


def _without_camera(pattern: str, name: str) -> str:
    match = match_name(pattern, name)
    if match is None or match.groupdict().get("camera") is None:
        return name
    return name[: match.start("camera")] + name[match.end("camera") :]


def _episodic(
    recipe: Recipe, pool: Pool, layout: Layout, class_ids: Sequence[int], seed: int, episodes: int, training: bool
) -> EpisodeLoader:
    sampler = EpisodicSampler(Classes.of(pool, class_ids), recipe.task, seed, episodes)
    return EpisodeLoader(transform(recipe, pool, layout, training), sampler)


def _named_exemplars(recipe: Recipe, chosen: Split, pool: Pool, class_ids: Sequence[int]) -> list[str]:
    """The K shots of every novel class by the split's rule. Raises SetupError where the store lacks an official one."""
    draws = recipe.budget.exemplar_draws
    if draws > 1:
        raise SetupError(
            f"{chosen.name} names its exemplars, so there is one draw of them and not {draws}. "
            "Leave budget.exemplar_draws at 1."
        )
    # A custom dataset's pattern is not known here, and so no setup or camera for the rule to use.
    pattern = _pattern(chosen.dataset)
    labels, exemplars = pool.label.tolist(), list[str]()
    for label in class_ids:
        members = [name for name, own in zip(pool.names, labels, strict=True) if own == label]
        official = chosen.exemplar(label)
        if official and official not in members:
            raise SetupError(
                f"{official}, the exemplar of class {label} ({pool.classes[label]}) in {chosen.name}, is not among the "
                f"store's clips, or has no frames. Build the store from all of {chosen.dataset} "
                f"(`fsprep build {chosen.dataset}`), with that file fixed if it was bad."
            )
        exemplars += chosen.first_exemplars(label, members, pattern)[: recipe.task.shot]
    return exemplars


def _chosen_clips(recipe: Recipe, store: Store, class_ids: Sequence[int]) -> list[int]:
    """The clips of these classes that the split's sampling rule keeps, by the recipe's seed and number of clips."""
    chosen, data = split(recipe.data.split), recipe.data
    seed = chosen.seed if data.clip_seed < 0 else data.clip_seed
    samples = data.clips_per_class or chosen.samples_per_class
    _check_clip_seed(chosen, store, seed, samples)
    usable = ~_flagged(chosen, store)
    by_label = {label: [store.names[i] for i in ((store.label == label) & usable).nonzero()[0]] for label in class_ids}
    kept = chosen.chosen(by_label, seed=seed, samples=samples)
    return [position for position, name in enumerate(store.names) if name in kept]


def _check_clip_seed(chosen: Split, store: Store, seed: int, samples: int) -> None:
    """A store of a subset holds one draw of clips only; another seed or more clips need the whole dataset."""
    subset = store.info.subset
    if subset and (seed != chosen.seed or samples > split(subset).samples_per_class):
        raise SetupError(
            f"{store.path} holds the clips of `{subset}` only (seed {split(subset).seed}, "
            f"{split(subset).samples_per_class} per class). For data.clip_seed={seed} with {samples} clips per class "
            f"build all of {chosen.dataset} (`fsprep build {chosen.dataset}`)."
        )
