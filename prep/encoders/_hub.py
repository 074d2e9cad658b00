"""Weights by name: a folder on disk, or a model of the hub, which is fetched on first use and kept."""

from __future__ import annotations

import re
from pathlib import Path

from prep.encoders._encoder import EncoderError, Request

CONFIG = "config.json"
# The first is tried first; it cannot hold code.
FILES = ("model.safetensors", "pytorch_model.bin")
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ENDINGS = (".bin", ".pt", ".pth", ".safetensors", ".json")


def config_and_weights(request: Request) -> tuple[Path, Path]:
    """The files of `request.weights`: its config.json and its tensors. Raises EncoderError, saying how to get them.

    A connection is tried only for a name that can be none of a folder here.
    """
    folder = Path(request.weights).expanduser()
    if folder.is_dir():
        return _in_folder(folder, request)
    if folder.exists():
        raise EncoderError(f"{folder}: is a file. Name the folder that holds it and its {CONFIG}.")
    if looks_like_a_path(request.weights):
        raise EncoderError(f"{folder}: there is no such folder. {request.facts.obtain.strip()}")
    return _from_hub(request)


def looks_like_a_path(name: str) -> bool:
    """Whether a name that is no folder was meant as one; the hub's names are OWNER/MODEL.

    >>> looks_like_a_path("microsoft/xclip-base-patch16"), looks_like_a_path("./xclip"), looks_like_a_path("a/b/c")
    (False, True, True)
    """
    owner = name.partition("/")[0]
    return not _HUB.fullmatch(name) or name.endswith(_ENDINGS) or Path(owner).exists()


def _in_folder(folder: Path, request: Request) -> tuple[Path, Path]:
    weights = [folder / name for name in FILES if (folder / name).is_file()]
    if not (folder / CONFIG).is_file() or not weights:
        sharded = any(folder.glob("*.index.json"))
        what = "is split over several files" if sharded else f"lacks {CONFIG} or {' or '.join(FILES)}"
        raise EncoderError(f"{folder}: {what}; both must lie there whole. {request.facts.obtain.strip()}")
    return folder / CONFIG, weights[0]


def _from_hub(request: Request) -> tuple[Path, Path]:
    from huggingface_hub.errors import EntryNotFoundError

    config = _fetched(request, CONFIG)
    for name in FILES:
        try:
            return config, _fetched(request, name)
        except EncoderError as error:
            if not isinstance(error.__cause__, EntryNotFoundError):
                raise
    raise EncoderError(f"{request.weights}: has none of {', '.join(FILES)}. {request.facts.obtain.strip()}")


def _fetched(request: Request, name: str) -> Path:
    import huggingface_hub
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        """The command shows progress of its own."""

        def __init__(self, *values: object, **options: object) -> None:
            super().__init__(*values, **{**options, "disable": True})

    try:
        return Path(huggingface_hub.hf_hub_download(request.weights, name, tqdm_class=Silent))
    # No connection, no such model, no right to it, a full disk: the hub's client has a score of unrelated kinds.
    except Exception as error:
        known = ", ".join(each.weights for each in request.facts.checkpoints)
        raise EncoderError(
            f"{request.weights}: {name} is not on this machine and could not be fetched ({type(error).__name__}). "
            f"{request.facts.obtain.strip()} Known: {known}."
        ) from error
