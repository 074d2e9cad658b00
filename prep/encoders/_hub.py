"""Weights by name: a folder on disk, or a model of the Hugging Face hub, downloaded on first use and cached."""

from __future__ import annotations

import re
from pathlib import Path

from prep.encoders._encoder import EncoderError, Request

CONFIG = "config.json"
# In order of preference: the first kind cannot hold code.
FILES = ("model.safetensors", "pytorch_model.bin")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SUFFIXES = (".bin", ".pt", ".pth", ".safetensors", ".json")


def config_and_weights(request: Request) -> tuple[Path, Path]:
    """The files of `request.weights`: its config.json and its tensors. Raises EncoderError, which says how to get them.

    The network is used only for a name that cannot be a folder on this machine.
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
    """Whether a name that is not a folder was meant as one; names on the hub are OWNER/MODEL.

    >>> looks_like_a_path("microsoft/xclip-base-patch16"), looks_like_a_path("./xclip"), looks_like_a_path("a/b/c")
    (False, True, True)
    """
    owner = name.partition("/")[0]
    return not _HUB_NAME.fullmatch(name) or name.endswith(_SUFFIXES) or Path(owner).exists()


def _in_folder(folder: Path, request: Request) -> tuple[Path, Path]:
    weights = [folder / name for name in FILES if (folder / name).is_file()]
    if not (folder / CONFIG).is_file() or not weights:
        sharded = any(folder.glob("*.index.json"))
        rule = "is split over several files" if sharded else f"lacks {CONFIG} or {' or '.join(FILES)}"
        raise EncoderError(f"{folder}: {rule}; both must be there in one piece. {request.facts.obtain.strip()}")
    return folder / CONFIG, weights[0]


def _from_hub(request: Request) -> tuple[Path, Path]:
    from huggingface_hub.errors import EntryNotFoundError

    config = _download(request, CONFIG)
    for name in FILES:
        try:
            return config, _download(request, name)
        except EncoderError as error:
            if not isinstance(error.__cause__, EntryNotFoundError):
                raise
    raise EncoderError(f"{request.weights}: has none of {', '.join(FILES)}. {request.facts.obtain.strip()}")


def _download(request: Request, name: str) -> Path:
    import huggingface_hub
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        """No second bar beside that of the command."""

        def __init__(self, *values: object, **options: object) -> None:
            super().__init__(*values, **{**options, "disable": True})

    try:
        return Path(huggingface_hub.hf_hub_download(request.weights, name, tqdm_class=Silent))
    # No connection, no such model, no permission, a full disk: the hub's client raises many unrelated errors.
    except Exception as error:
        published = ", ".join(checkpoint.weights for checkpoint in request.facts.checkpoints)
        raise EncoderError(
            f"{request.weights}: {name} is not on this machine and could not be downloaded ({type(error).__name__}). "
            f"{request.facts.obtain.strip()} Published weights: {published}."
        ) from error
