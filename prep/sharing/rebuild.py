"""Sharing a store without its clips: what it was made of and what it must become, for whoever holds the raw files.

`recipe.json` is one JSON object

    format       1
    info         StoreInfo, as in the store's zarr.json: data set, form and its options, recipe and version, terms
    digest       the store's digest; `arrays` the digest of each array
    names        base64 of zlib of the clips' names with a zero byte between them
    source       base64 of the sha256 of each clip's raw bytes, 32 bytes each, in the order of the names
    embeddings   always empty: a recipe makes the clips, and whoever has the videos embeds them anew

and proves itself: `arrays` and `info` make `digest`, and `names` and `source` make two of the `arrays`.
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

from manifests.facts import dataset, layout_of, split
from manifests.facts import names as known_names
from manifests.strict import build as strict_build
from prep.build.job import Job
from prep.errors import PrepError
from prep.formats import format_named
from prep.preprocessing.pipeline import pipeline
from prep.sharing.card import CARD, card
from prep.sharing.share import write_checked
from prep.sharing.transfer import ShareError
from prep.storage.address import is_remote, storage_at
from prep.storage.remote import RECIPE
from prep.store.info import StoreInfo
from prep.store.manifest import FORMAT, array_digest, store_digest
from prep.store.read import Store
from prep.store.write import pack_text

SHARE_FORMAT = 1
LONGEST_NAME = 1024
SHOWN = 20
_FACTS = ("title", "unit", "fps", "licence", "redistribution", "unverified", "classes")


class RebuildError(PrepError):
    """A store cannot be made again from its recipe, or did not come out the same."""


@dataclass(frozen=True)
class Shared:
    """The content of a recipe.json, see the top of this file."""

    format: int
    info: StoreInfo
    digest: str
    arrays: Mapping[str, str]
    names: str
    source: str
    embeddings: tuple[str, ...] = ()

    @cached_property
    def clips(self) -> dict[str, bytes]:
        """Name to sha256 of the raw bytes, in the store's order. Raises ValueError when they do not fit together."""
        source = b64decode(self.source, validate=True)
        count = len(source) // 32
        unpacked = zlib.decompressobj()
        text = unpacked.decompress(b64decode(self.names, validate=True), count * LONGEST_NAME + 1)
        words = text.decode().split("\0") if count else []
        if unpacked.unconsumed_tail or len(words) != count or len(source) % 32:
            raise ValueError(f"{len(words)} names and {len(source)} bytes of digests do not fit together")
        return {name: source[32 * place : 32 * place + 32] for place, name in enumerate(words)}


def shared(store: Store) -> bytes:
    """The recipe.json of a store. Raises StoreError where its names are damaged."""
    names = b64encode(zlib.compress("\0".join(store.names).encode(), 9)).decode()
    source = b64encode(store.source.tobytes()).decode()
    content = Shared(SHARE_FORMAT, store.info, store.digest, dict(store.array_digests), names, source)
    return json.dumps(asdict(content), indent=1).encode()


def push_recipe(store: Store, target: str, replace: bool = False) -> None:
    """Send recipe.json and a data card to a path or URL. Terms do not forbid it: no clip goes along.

    Raises ShareError where the recipe of another store is there (unless `replace`), StorageError.
    """
    place, text = storage_at(target), shared(store)
    if not replace and place.read_all([RECIPE]).get(RECIPE, text) != text:
        raise ShareError(f"{place}: holds the recipe of another store. Choose another URL, or --replace it.")
    place.write(CARD, card(store, recipe_only=True).encode())
    write_checked(place, RECIPE, text)


def read_shared(where: str) -> Shared:
    """The recipe at a URL or folder, or in a file. Raises RebuildError when absent, damaged or of a newer format."""
    path = Path(where)
    folder, name = (str(path.parent), path.name) if not is_remote(where) and path.is_file() else (where, RECIPE)
    try:
        value = json.loads(storage_at(folder).read(name))
        found = strict_build(Shared, value, f"{folder}/{name}")
        _check_whole(found)
    except FileNotFoundError:
        raise RebuildError(f"{where}: no {RECIPE} there. `fsprep push --recipe-only` makes one.") from None
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise RebuildError(f"{where}: {name} is damaged or of another version ({error}). Fetch it again.") from error
    return found


def _check_whole(found: Shared) -> None:
    if found.format != SHARE_FORMAT:
        raise ValueError(f"it has format {found.format}, this version reads {SHARE_FORMAT}")
    source = np.frombuffer(b"".join(found.clips.values()), np.uint8).reshape(-1, 32)
    made = {"names": array_digest(pack_text(list(found.clips))), "source": array_digest(source)}
    wrong = [name for name, digest in made.items() if found.arrays.get(name) != digest]
    if wrong or store_digest(json.loads(json.dumps(asdict(found.info))), found.arrays) != found.digest:
        raise ValueError(f"its {', '.join(wrong) or 'parts'} do not make the digest it promises")


def job_of(found: Shared, raw: Path, out: Path) -> Job:
    """The build that makes the store again. Raises RebuildError where this version would make another one."""
    info = found.info
    _check_version(info)
    return Job(
        dataset=dataset(info.dataset),
        recipe=info.recipe,
        raw=raw,
        out=out,
        subset=split(info.subset) if info.subset else None,
        form=info.form,
        options=dict(info.options),
        allow_bad=bool(info.left_out),
    )


def _check_version(info: StoreInfo) -> None:
    made_by = f"It was made by {info.software}: install that version"
    if info.made_from:
        raise RebuildError("The store was merged from others. Share the recipe of each of those, and merge them again.")
    if info.dataset not in known_names("datasets"):
        raise RebuildError(f"{info.dataset} is somebody's own data set. Ask for its manifest, and build with that.")
    if info.format != FORMAT:
        raise RebuildError(f"The store has format {info.format}, this version makes {FORMAT}. {made_by}.")
    format_named(info.form)
    version = pipeline(info.recipe).version
    if version != info.recipe_version:
        rule = f"prepared by {info.recipe} version {info.recipe_version}, this version has {version}"
        raise RebuildError(f"The store was {rule}, which gives other numbers. {made_by}.")
    data = dataset(info.dataset)
    changed = [name for name in _FACTS if getattr(data, name) != getattr(info, name)]
    changed += ["citation"] if data.source != info.citation else []
    changed += ["layout"] if layout_of(data) != info.layout else []
    if changed:
        raise RebuildError(f"What is said of {info.dataset} has changed since: {', '.join(changed)}. {made_by}.")


def check_same(found: Shared, built: Store) -> None:
    """Raise RebuildError unless `built` is the store of the recipe, to the bit; the text says what differs."""
    if built.digest == found.digest:
        return
    here = dict(zip(built.names, (bytes(row) for row in built.source), strict=True))
    lines = [f"Digest {built.digest}, and the recipe promises {found.digest}."]
    lines += _some("clips that the raw files lack", [name for name in found.clips if name not in here])
    lines += _some("clips that only the raw files have", [name for name in here if name not in found.clips])
    other = [name for name, digest in found.clips.items() if here.get(name, digest) != digest]
    lines += _some("clips whose raw bytes differ", other)
    arrays = [name for name, digest in found.arrays.items() if built.array_digests.get(name) != digest]
    lines += _some("arrays that differ", arrays)
    told = [each.name for each in fields(StoreInfo) if getattr(built.info, each.name) != getattr(found.info, each.name)]
    lines += _some("what is said of the store differs in", [name for name in told if name != "software"])
    raise RebuildError("\n".join(lines))


def _some(what: str, names: list[str]) -> list[str]:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {len(names):,} {what}: {', '.join(names[:SHOWN])}{more}"] if names else []
