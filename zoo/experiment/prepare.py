"""A resolved recipe and a store become a model and the servers that feed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from episodes.draw import Classes
from episodes.loader import Server, View, Viewer
from episodes.pool import Pool
from episodes.protocol import Episodic, Exemplars
from episodes.resample import Sampling
from manifests.facts import dataset, names, split
from manifests.layout import Layout
from manifests.split import Split
from prep.store.read import Store
from zoo import registry
from zoo.engine.checkpoint import Identity
from zoo.experiment.recipe import Recipe, classes, options
from zoo.methods._method import Method

# Training, validation and test draw from separate streams of chance, whatever the recipe's seed is.
VALIDATION_SEED = 1_000_003


class SetupError(Exception):
    """The store does not hold what the recipe asks for; the text says what to build or change."""


@dataclass(frozen=True)
class Setup:
    """Everything a run needs, on one device. `validation` is None where the split or budget has none.

    `independent`: every test episode is a task of its own, so intervals are over episodes. `way`: classes of a test
    task; with exemplars all novel classes, whatever the way of training is.
    """

    recipe: Recipe
    model: Method
    train: Server
    validation: Server | None
    test: tuple[Server, ...]
    identity: Identity
    independent: bool
    way: int


def prepare(recipe: Recipe, store: Store, device: torch.device) -> Setup:
    """Check that the store fits, put its clips on the device, and make the servers and a freshly initialised model.

    Raises SetupError for another data set or preparation, and the episodes floor's errors for classes that are too
    small, before anything is trained.
    """
    chosen = split(recipe.data.split)
    check_store(recipe, store)
    known = store.info.layout
    train_ids, val_ids, test_ids = classes(recipe)
    independent = chosen.protocol == "episodic"
    budget = recipe.budget
    pools = Pool.load_several(store, [_kept(recipe, store, ids) for ids in (train_ids, val_ids, test_ids)], device)
    train = _episodic(recipe, pools[0], known, train_ids, recipe.seed, budget.episodes, training=True)
    validation = None
    if val_ids and budget.validation:
        seed = VALIDATION_SEED + budget.test_seed
        validation = _episodic(recipe, pools[1], known, val_ids, seed, budget.validation, training=False)
    test = _test_servers(recipe, pools[2], known, test_ids)
    return Setup(
        recipe=recipe,
        model=make_model(recipe, known, store.shape).to(device),
        train=train,
        validation=validation,
        test=test,
        identity=Identity(recipe.digest, store.digest, known.name, store.shape[0]),
        independent=independent,
        way=recipe.task.way if independent else len(test_ids),
    )


def check_store(recipe: Recipe, store: Store) -> None:
    """Raise SetupError when the store is of another data set or preparation than the recipe asks for."""
    chosen = split(recipe.data.split)
    if store.info.dataset != chosen.dataset:
        raise SetupError(
            f"{store.path} holds {store.info.dataset}, but split {chosen.name} belongs to {chosen.dataset}. "
            f"Build it (`fsprep build {chosen.dataset}`) or choose another split with --data."
        )
    if recipe.data.preparation and store.info.recipe != recipe.data.preparation:
        raise SetupError(
            f"{store.path} was prepared by `{store.info.recipe}`, the recipe asks for `{recipe.data.preparation}`. "
            f"Build it with --recipe {recipe.data.preparation}, or --set data.preparation={store.info.recipe}."
        )


def make_model(recipe: Recipe, known: Layout, shape: tuple[int, int, int]) -> Method:
    """A freshly initialised model: a function of the recipe's seed alone."""
    bodies, _, channels = shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone = registry.find("backbones", recipe.backbone.name).Model(
            known, channels * len(recipe.data.streams), bodies, options(recipe, "backbones")
        )
        model: Method = registry.find("methods", recipe.method.name).Model(backbone, options(recipe, "methods"))
    return model


def _viewer(recipe: Recipe, pool: Pool, known: Layout, training: bool) -> Viewer:
    data = recipe.data
    rule = data.train_rule if training else data.test_rule
    view = View(
        sampling=Sampling(frames=data.frames, rule=rule, frozen=data.frozen, scrambled=data.scrambled),
        streams=data.streams,
        augment=recipe.augment,
    )
    return Viewer(pool, known, view, seed=recipe.seed, train=training)


def _episodic(
    recipe: Recipe, pool: Pool, known: Layout, class_ids: Sequence[int], seed: int, episodes: int, training: bool
) -> Server:
    draws = Episodic(Classes.of(pool, class_ids), recipe.task, seed, episodes, recipe.budget.batch)
    return Server(_viewer(recipe, pool, known, training), draws)


def _test_servers(recipe: Recipe, pool: Pool, known: Layout, class_ids: Sequence[int]) -> tuple[Server, ...]:
    """One server of many tasks, or for exemplar protocols one server for each choice of exemplars."""
    budget, chosen = recipe.budget, split(recipe.data.split)
    if chosen.protocol == "episodic":
        return (_episodic(recipe, pool, known, class_ids, budget.test_seed, budget.test, training=False),)
    viewer, members = _viewer(recipe, pool, known, training=False), Classes.of(pool, class_ids)
    if chosen.choice == "first":
        named = _named_exemplars(recipe, chosen, pool, class_ids)
        return (Server(viewer, Exemplars(pool, members, recipe.task.shot, named=named)),)
    seeds = range(budget.test_seed, budget.test_seed + budget.test_choices)
    return tuple(Server(viewer, Exemplars(pool, members, recipe.task.shot, seed)) for seed in seeds)


def _named_exemplars(recipe: Recipe, chosen: Split, pool: Pool, class_ids: Sequence[int]) -> list[str]:
    """The K shots of every novel class by the split's rule. Raises SetupError where the store lacks an official one."""
    if recipe.budget.test_choices > 1:
        raise SetupError(
            f"{chosen.name} names its exemplars, so there is one choice of them and not {recipe.budget.test_choices}. "
            "Leave budget.test_choices at 1."
        )
    # Data of one's own have no facts, and no setup or camera that a rule could look at.
    pattern = dataset(chosen.dataset).pattern if chosen.dataset in names("datasets") else ""
    labels, named = pool.label.tolist(), list[str]()
    for label in class_ids:
        members = [name for name, own in zip(pool.names, labels, strict=True) if own == label]
        official = chosen.exemplar(label)
        if official and official not in members:
            raise SetupError(
                f"{official}, the exemplar of class {label} ({pool.classes[label]}) in {chosen.name}, is not among the "
                "store's clips, or has no frames there. Build the store from all of "
                f"{chosen.dataset} (`fsprep build {chosen.dataset}`), with that file mended if it was bad."
            )
        named += chosen.first_exemplars(label, members, pattern)[: recipe.task.shot]
    return named


def _kept(recipe: Recipe, store: Store, class_ids: Sequence[int]) -> list[int]:
    """The clips of these classes that the split's sampling rule keeps."""
    chosen = split(recipe.data.split)
    by_label = {label: [store.names[i] for i in (store.label == label).nonzero()[0]] for label in class_ids}
    kept = chosen.chosen(by_label)
    return [place for place, name in enumerate(store.names) if name in kept]
