"""Flags of a clip's quality, which may be added up: what a build noticed, one bit each."""

from __future__ import annotations

EMPTY = 1  # no frame, or nobody in any
NAN = 2  # the file has coordinates that are not numbers; they were filled in
EXTRA_BODIES = 4  # the file shows more bodies than the clip keeps, here or there
DROPPED_FRAMES = 8  # the clip has fewer frames than the file
