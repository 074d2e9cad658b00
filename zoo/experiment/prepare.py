"""Preparation: a resolved recipe and a store become a learner and the loaders that feed it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch.nn.parameter import is_lazy

from episodes.loader import BatchLoader, EpisodeLoader
from episodes.streams import channels as stream_channels
from manifests.layout import Layout
from manifests.split_file import split
from prep.store.read import Store
from zoo import registry
from zoo.engine.header import Identity
from zoo.engine.train import Plan
from zoo.experiment import embedded, feed
from zoo.experiment.feed import SetupError
from zoo.experiment.identity import recipe_digest
from zoo.experiment.initial import Initial
from zoo.experiment.recipe import Recipe, classes, is_stage
from zoo.experiment.resolve import options
from zoo.learner import Known, Learner


@dataclass(frozen=True)
class Prepared:
    """Everything that a run needs, on one device.

    `train` is None where it is only to be measured, `validation` where the split or the budget has none; `pools` is
    None and `test` empty for a pre-training stage. `shape` is (M, V, C) of the store. `independent`: every test episode
    is a task of its own, so intervals are over episodes. `way`: classes of a test task; with exemplars all novel
    classes, whatever the way of training is. `remarks` say which clips are left out.
    """

    recipe: Recipe
    learner: Learner
    plan: Plan
    train: EpisodeLoader | BatchLoader | None
    validation: EpisodeLoader | None
    test: tuple[EpisodeLoader, ...]
    pools: feed.Pools | None
    shape: tuple[int, int, int]
    identity: Identity
    independent: bool
    way: int
    remarks: tuple[str, ...]


def prepare(
    recipe: Recipe, store: Store, device: torch.device, initial: Initial | None = None, training: bool = True
) -> Prepared:
    """Check that the store fits, load its clips to the device, and make the loaders and an initialised learner.

    Raises SetupError for another dataset or preprocessing, or where an embedding is missing; EpisodeError for classes
    that are too small; CheckpointError for initial weights that do not fit; all before anything is trained.
    """
    feed.check_store(recipe, store)
    prepared = _stage(recipe, store, device) if is_stage(recipe) else _method(recipe, store, device, training)
    if initial is not None:
        initial.load(prepared.learner, recipe, store.info.layout.name)
    prepared.learner.to(device)
    return replace(prepared, identity=identity_of(recipe, store, initial))


def check_learner(recipe: Recipe, store: Store) -> None:
    """Build the learner of a method once, so that a backbone, layout or option that does not fit is an error before the
    recipe of its initial weights is trained. Raises what `prepare` raises for it.
    """
    feed.check_store(recipe, store)
    # A stage is not built: how wide its targets are is not known without the clips.
    if not is_stage(recipe):
        make_learner(recipe, store.info.layout, store.shape, embedded.known(recipe, store))


def identity_of(recipe: Recipe, store: Store, initial: Initial | None) -> Identity:
    """The identity of the run of this recipe on this store from these weights."""
    return Identity(
        recipe_digest=recipe_digest(recipe),
        store_digest=store.digest,
        init_digest="" if initial is None else initial.digest,
        layout=store.info.layout.name,
        bodies=store.shape[0],
        preprocessing=store.info.preprocessing,
    )


def make_learner(recipe: Recipe, layout: Layout, shape: tuple[int, int, int], known: Known) -> Learner:
    """A freshly initialised learner for clips of `shape` (M, V, C): a function of the recipe's seed alone."""
    bodies, _, channels = shape
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would reseed every GPU as well.
        torch.default_generator.manual_seed(recipe.seed)
        backbone = registry.backbone(recipe.backbone.name).model(
            layout, stream_channels(recipe.data.streams, channels), bodies, options(recipe.backbone, "backbones")
        )
        backbone.skip_empty = recipe.data.skip_empty_bodies
        model = registry.learner(recipe.method.name).model
        known = replace(known, streams=recipe.data.streams)
        made = cast(Learner, model(backbone, options(recipe.method, "methods", "pretrain"), known))
    lazy = [name for name, parameter in made.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise SetupError(
            f"{recipe.method.name}: `{lazy[0]}` is lazy, so its shape is not known before the first step and a stopped "
            "run could not be continued. Give its sizes; D of a feature map is backbone.width."
        )
    return made


def _method(recipe: Recipe, store: Store, device: torch.device, training: bool) -> Prepared:
    layout, pools = store.info.layout, feed.load_pools(recipe, store, device, training)
    independent = split(recipe.data.split).protocol == "episodic"
    budget = recipe.budget
    return Prepared(
        recipe=recipe,
        learner=make_learner(recipe, layout, store.shape, embedded.known(recipe, store)),
        plan=_plan(recipe, budget.episodes, budget.batch, 1, max(1, budget.episodes_per_epoch // budget.batch)),
        train=feed.training_episodes(recipe, pools.base, layout) if training and budget.episodes else None,
        validation=feed.validation_episodes(recipe, pools.validation, layout) if training else None,
        test=feed.test_loaders(recipe, pools.test, layout),
        pools=pools,
        shape=store.shape,
        identity=identity_of(recipe, store, None),
        independent=independent,
        way=recipe.task.way if independent else len(classes(recipe)[2]),
        remarks=pools.remarks,
    )


def _stage(recipe: Recipe, store: Store, device: torch.device) -> Prepared:
    layout, pool = store.info.layout, feed.load_base(recipe, store, device)
    entry = registry.learner(recipe.method.name)
    targets = embedded.targets(recipe, store, entry.model, pool)
    cameras = feed.other_cameras(recipe, pool, entry.model.views)
    train = feed.base_batches(recipe, pool, layout, entry.model.views, targets, cameras)
    if train.size < entry.model.least_clips:
        rule = f"budget.batch is {train.size}; {recipe.method.name} normalises over the clips of a batch"
        raise SetupError(f"{rule} and needs at least {entry.model.least_clips}.")
    width = 0 if targets is None else targets[0].shape[1]
    accumulate = min(recipe.budget.accumulate, train.steps_per_epoch)
    learner = make_learner(recipe, layout, store.shape, embedded.known(recipe, store, width))
    if not any(parameter.requires_grad for parameter in learner.backbone.parameters()):
        rule = f"{recipe.method.name} keeps the backbone alone, and {recipe.backbone.name} has no parameters to train"
        raise SetupError(f"{rule}. Set backbone.name.")
    return Prepared(
        recipe=recipe,
        learner=learner,
        plan=_plan(recipe, len(train) * train.size, accumulate, train.size, train.steps_per_epoch // accumulate),
        train=train,
        validation=None,
        test=(),
        pools=None,
        shape=store.shape,
        identity=identity_of(recipe, store, None),
        independent=False,
        way=0,
        remarks=(*feed.left_out(recipe, store, classes(recipe)[0], [pool]), *feed.camera_remarks(recipe, cameras)),
    )


def _plan(recipe: Recipe, total: int, units_per_step: int, unit_size: int, steps_per_epoch: int) -> Plan:
    return Plan(
        seed=recipe.seed,
        units_per_step=units_per_step,
        unit_size=unit_size,
        total=total,
        steps_per_epoch=max(1, steps_per_epoch),
        checkpoint_steps=max(1, recipe.budget.checkpoint_every // (units_per_step * unit_size)),
        early_stopping=recipe.budget.early_stopping,
        precision=recipe.precision,
        grad_clip=recipe.optimiser.grad_clip,
    )
