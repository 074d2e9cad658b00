"""`<name>.skeleton.npy`, one pickled dictionary per file, as NTURGB-D's Python/txt2npy.py converts a .skeleton file.

file_name, nbodys (bodies of each frame), njoints, and skel_body0, skel_body1, ... (frames, 25, 3) in metres: bodies in
the order of each frame, zeros where there is none. A slot may change its person from frame to frame, and body ids are
lost, so only preprocessing that does not follow bodies can be used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from manifests.pattern import match_name
from prep.clip import Recording, Source
from prep.errors import BadFile
from prep.formats import FindRequest, FindResult, Format
from prep.importers import _clips
from prep.untrusted import pickles
from prep.untrusted.arrays import object_offset
from prep.untrusted.files import find_sources


def find(request: FindRequest) -> FindResult:
    """Every file in folders and zips below `raw`. Raises PrepError if two have the same name."""
    sources = find_sources(request.raw, ".skeleton.npy")
    return FindResult(tuple(replace(source, name=source.name[: -len(".skeleton")]) for source in sources))


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """The recording in the bytes of one file, with all its frames. Raises BadFile, UnsafePickle if it has code."""
    match = match_name(data.pattern, source.name)
    if match is None or int(match["action"]) not in data.actions:
        raise BadFile(f"{source.name}: the name is not one of {data.name}, so the label is unknown. Rename the file.")
    labelled = replace(source, label=data.actions.index(int(match["action"])))
    array = pickles.loads(raw[object_offset(raw, source.name) :], source.name, boxed=True)
    content = array.item() if isinstance(array, np.ndarray) and array.shape == () else None
    if not isinstance(content, dict) or not isinstance(content.get("nbodys"), list):
        raise BadFile(f"{source.name}: holds no dictionary with nbodys and skel_body0. Fetch the file again.")
    return _clips.recording(labelled, _joints(source, content, data, len(raw)), data, keep_length=True)


FORMAT = Format(files="SsssCcccPpppRrrrAaaa.skeleton.npy", find=find, read=read, prepared=True)


def _joints(source: Source, content: dict[Any, Any], data: Dataset, size: int) -> NDArray[Any]:
    """(L, M, V, C) with the bodies in a file of `size` bytes, at most MOST_BODIES; M is 0 in a recording of nobody.

    Raises BadFile for a body of another shape, and if one array stands for several bodies.
    """
    layout, frames = layout_of(data), len(content["nbodys"])
    shape = (frames, len(layout.joints), layout.coordinates)
    names = [f"skel_body{slot}" for slot in range(_clips.MOST_BODIES)]
    bodies = [content[name] for name in names if name in content]
    for slot, body in enumerate(bodies):
        if not isinstance(body, np.ndarray) or body.shape != shape or body.dtype.kind != "f":
            raise BadFile(f"{source.name}: skel_body{slot} is not of shape {shape}. Fetch the file again.")
    if sum(body.nbytes for body in bodies) > size:
        raise BadFile(f"{source.name}: the same array stands for several bodies. Fetch the file again.")
    # Bodies are checked first: no memory is reserved for the frames that `nbodys` announces.
    return np.stack(bodies, axis=1) if bodies else np.zeros((frames, 0, *shape[1:]))
