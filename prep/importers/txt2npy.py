"""What NTURGB-D's Python/txt2npy.py makes of a .skeleton file: `<name>.skeleton.npy`, one pickled dictionary each.

file_name, nbodys (bodies of each frame), njoints, and skel_body0, skel_body1, ... (frames, 25, 3) in metres: the place
in the frame's order, zeros where there is none. Who stands in a place may change from frame to frame, and body ids are
lost, so no recipe that follows bodies fits.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Recording, Source
from prep.errors import BadFile
from prep.formats import Found, Request
from prep.importers import _clips
from prep.untrusted import pickles
from prep.untrusted.arrays import object_offset
from prep.untrusted.files import find_sources

FILES = "SsssCcccPpppRrrrAaaa.skeleton.npy"
PREPARED = True


def find(request: Request) -> Found:
    """Every file below the folder, in folders and zips. Raises PrepError for two of one name."""
    sources = find_sources(request.raw, ".skeleton.npy")
    return Found(tuple(replace(source, name=source.name.removesuffix(".skeleton")) for source in sources))


def read(source: Source, raw: bytes, data: Dataset) -> Recording:
    """One file's bytes to a Recording; every frame is kept. Raises BadFile, UnsafePickle for more than plain data."""
    match = re.fullmatch(data.pattern, source.name)
    if match is None or int(match["action"]) not in data.actions:
        raise BadFile(f"{source.name}: the name is not one of {data.name}, so the label is unknown. Rename the file.")
    labelled = replace(source, label=data.actions.index(int(match["action"])))
    held = pickles.loads(raw[object_offset(raw, source.name) :], source.name, boxed=True)
    item = held.item() if isinstance(held, np.ndarray) and held.shape == () else None
    if not isinstance(item, dict) or not isinstance(item.get("nbodys"), list):
        raise BadFile(f"{source.name}: holds no dictionary with nbodys and skel_body0. Fetch the file again.")
    return _clips.recording(labelled, _joints(source, item, data), data, keep_length=True)


def _joints(source: Source, item: dict[Any, Any], data: Dataset) -> NDArray[np.float64]:
    """(L, M, V, C) of the bodies there are, as many as a data set keeps at most."""
    known, frames = layout_of(data), len(item["nbodys"])
    shape = (frames, len(known.joints), known.coordinates)
    names = [f"skel_body{slot}" for slot in range(_clips.MOST_BODIES)]
    held = [item[name] for name in names if name in item]
    joints = np.zeros((frames, max(1, len(held)), *shape[1:]), np.float64)
    for slot, body in enumerate(held):
        if not isinstance(body, np.ndarray) or body.shape != shape or body.dtype.kind != "f":
            raise BadFile(f"{source.name}: skel_body{slot} is not of shape {shape}. Fetch the file again.")
        joints[:, slot] = body
    return joints
