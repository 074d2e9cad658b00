"""A torchvision that was built for CUDA, made importable beside a torch that was not.

Its wheel links libtorch_cuda. Beside a torch for the CPU its compiled half does not load, and `import torchvision`
dies of `operator torchvision::nms does not exist`, because it registers a Python kernel for an operator that nobody
has declared. open_clip and transformers' image models import it. None of ours uses those operators, so declaring them
without a kernel is enough. On a sound install nothing is touched.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_SYMPTOM = "operator torchvision::nms does not exist"
# A library's declarations are gone when the object is.
_declared: list[torch.library.Library] = []


def mend() -> None:
    """Make `import torchvision` work; call it before open_clip or transformers is imported.

    Raises ModuleNotFoundError where torchvision is absent, and whatever else its import raises.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error) or _declared:
            raise
        _declare()
        _forget()
        importlib.import_module("torchvision")


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _declared.append(library)


def _forget() -> None:
    """Drop what the failed import left behind."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
