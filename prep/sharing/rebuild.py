"""Share a store without its clips: its recipe, from which anyone with the raw files rebuilds a bit-identical store.

`recipe.json` is one JSON object

    format       1
    info         StoreInfo, as in the store's zarr.json: dataset, file format and its options, preprocessing, terms
    digest       the store's digest; `arrays` the digest of each array
    names        base64 of zlib of the clips' names with a zero byte between them
    source       base64 of the sha256 of each clip's raw bytes, 32 bytes each, in the order of the names
    embeddings   always empty: a recipe reproduces the clips only

and can be checked by itself: `arrays` and `info` make `digest`, and `names` and `source` make two of the `arrays`.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from manifests.facts import dataset, layout_of
from manifests.facts import names as dataset_names
from manifests.split_file import split
from manifests.strict import build as strict_build
from prep.building.job import Job
from prep.errors import PrepError
from prep.formats import format_named
from prep.preprocessing.pipeline import pipeline
from prep.sharing.card import CARD, card
from prep.sharing.push import one_writer
from prep.sharing.transfer import ShareError, write_checked
from prep.storage.address import is_remote, storage_at
from prep.storage.storage import LARGEST
from prep.store.info import StoreInfo
from prep.store.manifest import FORMAT, RECIPE, array_digest, store_digest
from prep.store.read import Store
from prep.store.write import pack_text
from prep.untrusted.json_text import parse_json

SHARE_FORMAT = 1
LONGEST_NAME = 1024
SHOWN = 20
_FACTS = ("title", "unit", "fps", "licence", "redistribution", "unverified", "classes")


class RebuildError(PrepError):
    """A store cannot be rebuilt from its recipe, or the rebuilt store differs."""


@dataclass(frozen=True)
class StoreRecipe:
    """The content of recipe.json, see the top of this file."""

    format: int
    info: StoreInfo
    digest: str
    arrays: Mapping[str, str]
    names: str
    source: str
    embeddings: tuple[str, ...] = ()

    @cached_property
    def clips(self) -> dict[str, bytes]:
        """Name to sha256 of the raw bytes, in the order of the store. Raises ValueError if their numbers differ."""
        source = b64decode(self.source, validate=True)
        count = len(source) // 32
        unpacked = zlib.decompressobj()
        text = unpacked.decompress(b64decode(self.names, validate=True), count * LONGEST_NAME + 1)
        words = text.decode().split("\0") if count else []
        if unpacked.unconsumed_tail or len(words) != count or len(source) % 32:
            raise ValueError(f"{len(words)} names and {len(source)} bytes of digests do not fit together")
        return {name: source[32 * row : 32 * row + 32] for row, name in enumerate(words)}


def recipe_json(store: Store) -> bytes:
    """The recipe.json of a store. Raises StoreError if its names are damaged."""
    names = b64encode(zlib.compress("\0".join(store.names).encode(), 9)).decode()
    source = b64encode(store.source.tobytes()).decode()
    recipe = StoreRecipe(SHARE_FORMAT, store.info, store.digest, dict(store.array_digests), names, source)
    return json.dumps(asdict(recipe), indent=1).encode()


def push_recipe(store: Store, target: str, replace: bool = False) -> bool:
    """Send recipe.json and a data card to a path or URL. No clip is sent, so the terms do not forbid it.

    Returns False if both were there already. Raises ShareError if the recipe of another store is there (unless
    `replace`), StorageError, PrepError while another command writes to the folder.
    """
    storage, text, about = storage_at(target), recipe_json(store), card(store, recipe_only=True).encode()
    with one_writer(storage):
        present = storage.read_all({RECIPE: LARGEST, CARD: LARGEST})
        if not replace and present.get(RECIPE, text) != text:
            raise ShareError(f"{storage}: holds the recipe of another store. Choose another URL, or --replace it.")
        if present == {RECIPE: text, CARD: about}:
            return False
        storage.write(CARD, about)
        write_checked(storage, RECIPE, text)
    return True


def read_recipe(where: str) -> StoreRecipe:
    """The recipe in a folder, at a URL, or in a file. Raises RebuildError if absent, damaged or of another version."""
    path = Path(where)
    folder, name = (str(path.parent), path.name) if not is_remote(where) and path.is_file() else (where, RECIPE)
    try:
        value = parse_json(storage_at(folder).read(name))
        recipe = strict_build(StoreRecipe, value, f"{folder}/{name}")
        _check_complete(recipe)
    except FileNotFoundError:
        raise RebuildError(f"{where}: no {RECIPE} there. `fsprep push --recipe-only` makes one.") from None
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise RebuildError(f"{where}: {name} is damaged or of another version ({error}). Fetch it again.") from error
    return recipe


def _check_complete(recipe: StoreRecipe) -> None:
    if recipe.format != SHARE_FORMAT:
        raise ValueError(f"it has format {recipe.format}, this version reads {SHARE_FORMAT}")
    source = np.frombuffer(b"".join(recipe.clips.values()), np.uint8).reshape(-1, 32)
    made = {"names": array_digest(pack_text(list(recipe.clips))), "source": array_digest(source)}
    wrong = [name for name, digest in made.items() if recipe.arrays.get(name) != digest]
    if wrong or store_digest(json.loads(json.dumps(asdict(recipe.info))), recipe.arrays) != recipe.digest:
        raise ValueError(f"its {', '.join(wrong) or 'parts'} do not make its digest")


def job_of(recipe: StoreRecipe, raw: Path, out: Path) -> Job:
    """The build that makes the store again. Raises RebuildError if this version would make another store."""
    info = recipe.info
    _check_version(info)
    return Job(
        dataset=dataset(info.dataset),
        preprocessing=info.preprocessing,
        raw=raw,
        out=out,
        subset=split(info.subset) if info.subset else None,
        file_format=info.file_format,
        options=dict(info.options),
        allow_bad=bool(info.left_out),
    )


def _check_version(info: StoreInfo) -> None:
    made_by = f"It was built by {info.software}: install that version"
    if info.made_from:
        raise RebuildError("The store was merged from others. Share the recipe of each of those, and merge them again.")
    if info.dataset not in dataset_names("datasets"):
        raise RebuildError(
            f"{info.dataset} is a custom dataset. Ask its author for the dataset file, and build with that."
        )
    if info.format != FORMAT:
        raise RebuildError(f"The store has format {info.format}, this version writes {FORMAT}. {made_by}.")
    format_named(info.file_format)
    version = pipeline(info.preprocessing).version
    if version != info.preprocessing_version:
        rule = f"{info.preprocessing} version {info.preprocessing_version}, this installation has version {version}"
        raise RebuildError(f"The preprocessing was {rule}, which gives other numbers. {made_by}.")
    data = dataset(info.dataset)
    changed = [name for name in _FACTS if getattr(data, name) != getattr(info, name)]
    changed += ["citation"] if data.source != info.citation else []
    changed += ["layout"] if layout_of(data) != info.layout else []
    if changed:
        raise RebuildError(f"The facts about {info.dataset} have changed since: {', '.join(changed)}. {made_by}.")


def check_same(recipe: StoreRecipe, built: Store) -> None:
    """Raise RebuildError, with the differences, unless `built` is bit-identical to the store of the recipe."""
    if built.digest == recipe.digest:
        return
    sources = dict(zip(built.names, (bytes(row) for row in built.source), strict=True))
    lines = [f"Digest {built.digest}, expected {recipe.digest}."]
    lines += _listed("clips that the raw files lack", [name for name in recipe.clips if name not in sources])
    lines += _listed("clips that only the raw files have", [name for name in sources if name not in recipe.clips])
    other = [name for name, digest in recipe.clips.items() if sources.get(name, digest) != digest]
    lines += _listed("clips whose raw bytes differ", other)
    arrays = [name for name, digest in recipe.arrays.items() if built.array_digests.get(name) != digest]
    lines += _listed("arrays that differ", arrays)
    facts = [field.name for field in fields(StoreInfo) if field.name != "software"]
    differing = [name for name in facts if getattr(built.info, name) != getattr(recipe.info, name)]
    lines += _listed("facts that differ", differing)
    raise RebuildError("\n".join(lines))


def _listed(text: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {len(names):,} {text}: {', '.join(names[:SHOWN])}{more}"] if names else []
