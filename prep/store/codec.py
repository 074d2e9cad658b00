"""A Blosc codec that decompresses a chunk only to the size that its array gives it.

The header of a Blosc chunk says how many bytes come out, up to 2 GiB, and the library reserves them before it looks at
the rest. Importing this module makes zarr read every Blosc chunk through this class.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import zarr
from zarr.codecs import BloscCodec
from zarr.registry import register_codec

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

SIZE = slice(4, 8)  # of the decompressed bytes, little-endian (Blosc 1 format, "nbytes")


class CheckedBlosc(BloscCodec):
    """Blosc that raises ValueError for a chunk of another size than that of its array's chunks."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        claimed = int.from_bytes(chunk_bytes.as_numpy_array()[SIZE].tobytes(), "little")
        expected = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        if claimed != expected:
            raise ValueError(f"a chunk claims {claimed:,} bytes, and has {expected:,}")
        return super()._decode_sync(chunk_bytes, chunk_spec)


register_codec("blosc", CheckedBlosc)
zarr.config.set({"codecs.blosc": f"{CheckedBlosc.__module__}.{CheckedBlosc.__qualname__}"})
