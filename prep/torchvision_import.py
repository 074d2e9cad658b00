"""Make a torchvision that was built for CUDA importable beside a CPU-only torch.

Kept because an installation with a CPU-only torch and the registry's torchvision (a CUDA build) is common, and there
`import open_clip` and `from transformers import XCLIPModel` both fail with `operator torchvision::nms does not exist`.
The encoders use none of torchvision's compiled operators, so it is enough to declare them without a kernel. A matching
pair of torch and torchvision is not touched.
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
# The declarations last as long as this object.
_declared: list[torch.library.Library] = []


def ensure_importable() -> None:
    """Make `import torchvision` work; call it before open_clip or transformers is imported.

    Raises ModuleNotFoundError where torchvision is absent, and any other error of its import.
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
    """Remove the modules that the failed import left in sys.modules."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
