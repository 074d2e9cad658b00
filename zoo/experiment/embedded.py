"""What a learner knows beside joints and labels: names of classes, and stored embeddings of videos and names."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.pool import Pool
from prep.store.embeddings import Embedding, open_embedding
from prep.store.read import Store
from zoo import registry
from zoo.experiment.feed import SetupError, Targets
from zoo.experiment.recipe import Recipe, classes, is_stage
from zoo.experiment.resolve import options
from zoo.learner import Known
from zoo.pretrain._stage import Stage, Teacher


def targets(recipe: Recipe, store: Store, stage: type[Stage], pool: Pool) -> Targets | None:
    """The stage's targets from stored embeddings. Raises SetupError, naming the command that makes a missing part."""
    if stage.targets.__func__ is Stage.targets.__func__:  # type: ignore[attr-defined]
        return None
    try:
        found = stage.targets(options(recipe.method, "pretrain"), teacher(recipe, store, pool))
    except LookupError as error:
        command = {"video": "embed-videos", "text": "embed-text"}[str(error.args[0])]
        name = recipe.data.embedding
        raise SetupError(
            f"{store.path}: `{name}` has no {error.args[0]} vectors, which {recipe.method.name} needs. "
            f"Run `fsprep {command} --name {name}`."
        ) from error
    clips, name = 0 if found is None else int(found[1].sum()), recipe.data.embedding
    if found is not None and clips < stage.least_clips:
        raise SetupError(
            f"{store.path}: {clips} of {len(found[1])} clips of the base classes have a vector in `{name}`; "
            f"{recipe.method.name} needs at least {stage.least_clips}. Embed their videos: "
            f"`fsprep embed-videos --name {name}`."
        )
    return found


def teacher(recipe: Recipe, store: Store, pool: Pool) -> Teacher:
    """Stored embeddings of the pool's clips: nothing of another clip or class."""
    embedding = stored_embedding(recipe, store)
    clips = pool.clip_id.cpu().numpy()
    video = done = text = None
    if embedding.video_metadata is not None:
        video, done = embedding.video[clips].astype("float32"), embedding.done[clips]
    if embedding.text_metadata is not None:
        text = embedding.text[pool.label.cpu().numpy()].astype("float32")
    tensors = [None if array is None else torch.as_tensor(array, device=pool.device) for array in (video, done, text)]
    return Teacher(*tensors)


def base_text(recipe: Recipe, store: Store) -> Float[Tensor, "N D"]:
    """Text vectors of the base classes' names, in the order of `Batch.label`."""
    vectors = stored_embedding(recipe, store).text
    return torch.from_numpy(vectors[sorted(classes(recipe)[0])].astype("float32"))


def stored_embedding(recipe: Recipe, store: Store) -> Embedding:
    """The embedding that the recipe names. Raises SetupError where it names none, StoreError for an unknown one."""
    if not recipe.data.embedding:
        raise SetupError(
            f"{recipe.method.name} learns from stored embeddings: name one with --set data.embedding=NAME. "
            "`fsprep info` lists those of a store, `fsprep embed-videos` and `fsprep embed-text` make them."
        )
    return open_embedding(store, recipe.data.embedding)


def known(recipe: Recipe, store: Store, target_width: int = 0) -> Known:
    """What the learner may know: the base classes' names, and their text vectors if it declares that it uses names.

    Only a method that declares that it uses names of novel classes gets the text vectors of all classes.
    """
    base, model = sorted(classes(recipe)[0]), registry.learner(recipe.method.name).model
    text = base_text(recipe, store) if model.uses_names else None
    names = tuple(store.info.classes[label] for label in base)
    class_text = _class_text(recipe, store) if getattr(model, "uses_novel_names", False) else None
    return Known(store.info.layout, names, target_width, text, recipe.data.frames, class_text)


def _class_text(recipe: Recipe, store: Store) -> Float[Tensor, "_ D"]:
    """Text vectors of all classes of the store. Raises SetupError for a stage, or where the embedding has none."""
    if is_stage(recipe):
        raise SetupError(
            f"{recipe.method.name} sets `uses_novel_names`: a pre-training stage may not know the names of novel "
            "classes. Set `uses_names` for those of the base classes."
        )
    embedding, name = stored_embedding(recipe, store), recipe.data.embedding
    if embedding.text_metadata is None:
        raise SetupError(
            f"{store.path}: `{name}` has no text vectors, which {recipe.method.name} needs. "
            f"Run `fsprep embed-text --name {name}`."
        )
    return torch.from_numpy(embedding.text[:].astype("float32"))
