"""MapTable: the feature maps of a pool's clips in evaluation, each computed when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.transform import ClipTransform
from zoo.methods._method import Method

CLIPS_AT_ONCE = 64
LIMIT = 4 << 30  # bytes of maps that are kept


@dataclass(frozen=True)
class Views:
    """How the map of a clip is made: the mean with its mirror image, over `samples` temporal samples, of unit norm.

    `mirrored` takes the mirror image alone.
    """

    mirror: bool = False
    samples: int = 1
    unit: bool = False
    mirrored: bool = False

    @property
    def images(self) -> tuple[bool, ...]:
        """Whether each image of a clip that is embedded is the mirrored one."""
        return (False, True) if self.mirror else (self.mirrored,)


class MapTable:
    """Maps by position in the pool of `transform`, which must be deterministic; `method` in evaluation mode.

    `centre` is subtracted from every map before it is scaled. Where the maps of all clips would take more than `limit`
    bytes none is kept, and each is computed whenever it is needed.
    """

    def __init__(
        self,
        method: Method,
        transform: ClipTransform,
        views: Views = Views(),
        centre: Float[Tensor, "T V D"] | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.method, self.transform, self.views, self.centre, self.limit = method, transform, views, centre, limit
        self._maps: Float[Tensor, "X T V D"] | None = None
        clips = len(transform.pool.names)
        self._done = torch.zeros(clips, dtype=torch.bool, device=transform.pool.device)

    def at(self, clip: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch T V D"]:
        """The maps of these clips."""
        wanted, place = clip.flatten().unique(return_inverse=True)
        new = wanted[~self._done[wanted]]
        if not len(new):
            assert self._maps is not None
            return self._maps[clip]
        maps = torch.cat([self._embed(part) for part in new.split(CLIPS_AT_ONCE)])
        if maps[0].nbytes * len(self._done) > self.limit:
            return maps[place].unflatten(0, clip.shape)
        if self._maps is None:
            self._maps = maps.new_zeros(len(self._done), *maps.shape[1:])
        self._maps[new] = maps
        self._done[new] = True
        return self._maps[clip]

    def of_one_image(self, mirrored: bool) -> MapTable:
        """An empty table of the same clips, as they are or mirrored, without the mean of the two."""
        views = replace(self.views, mirror=False, mirrored=mirrored)
        return MapTable(self.method, self.transform, views, self.centre, self.limit)

    def mean(self) -> Float[Tensor, "T V D"]:
        """The mean map over all clips of the pool."""
        clips = torch.arange(len(self._done), device=self._done.device)
        sums = [self.at(part).double().sum(0) for part in clips.split(CLIPS_AT_ONCE)]
        return (torch.stack(sums).sum(0) / len(clips)).float()

    def _embed(self, clip: Int[Tensor, "X"]) -> Float[Tensor, "X T V D"]:
        views, samples = self.views, self.views.samples
        seen = [
            self.method.embed(self.transform.view(clip, mirrored, sample, samples))
            for mirrored in views.images
            for sample in range(samples)
        ]
        maps = torch.stack(seen).mean(0) if len(seen) > 1 else seen[0]
        centred = maps if self.centre is None else maps - self.centre
        if not views.unit:
            return centred
        norm = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
        return centred / norm.clamp(min=torch.finfo(norm.dtype).tiny)
