"""Simulation of one demo clip: a person performs an action, and a depth sensor records it with errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prep.demo.actions import ACTIONS, AT_EASE, Action, columns
from prep.demo.body import ARMS, JOINTS, LEGS, Array, Body, pose_joints, rotation

FPS = 30
# Rises whenever the clips change, so that folders of an older version are recognised.
VERSION = 1
_IDLE_HANDS = ((0.14, -0.95, 0.08), (0.32, -0.62, -0.05), (-0.1, -0.45, 0.4), (0.0, -0.8, -0.2), (0.1, -0.8, 0.3))
_IDLE_ODDS = (0.4, 0.15, 0.15, 0.1, 0.2)
# White and drifting noise of each joint in metres, as in real recordings: little at the trunk, more at hands and feet.
_WHITE = np.full(JOINTS, 0.002)
_WHITE[[6, 10, 14, 18]], _WHITE[[7, 11, 15, 19]], _WHITE[[21, 22, 23, 24]] = 0.006, 0.011, 0.016
_NEVER_HIDDEN = [joint for joint in range(JOINTS) if not any(joint in arm for arm in ARMS)]
_DRIFT = 3.0 * _WHITE + 0.004


@dataclass(frozen=True)
class Key:
    """The five numbers in a clip's name, each from 1."""

    setup: int
    camera: int
    subject: int
    repetition: int
    action: int

    @property
    def name(self) -> str:
        """The name of the clip's files, without suffix.

        >>> Key(setup=1, camera=2, subject=3, repetition=1, action=24).name
        'S001C002P003R001A024'
        """
        return f"S{self.setup:03d}C{self.camera:03d}P{self.subject:03d}R{self.repetition:03d}A{self.action:03d}"


@dataclass(frozen=True)
class DemoClip:
    """The output of the sensor: R detections of bodies in L frames, in file order.

    `bodies_per_frame` (L,), `body_id` (R,) both int64; `joints` (R, 25, 3) in metres in camera space, `state` (R, 25)
    2 tracked or 1 inferred. `actor` is the body id of the person; any other body is a ghost.
    """

    bodies_per_frame: NDArray[np.int64]
    body_id: NDArray[np.int64]
    joints: Array
    state: NDArray[np.int64]
    actor: int


def simulate(seed: int, key: Key) -> DemoClip:
    """Simulate the clip of `key`: a pure function of its arguments."""
    rng = stream(seed, 0, key.setup, key.camera, key.subject, key.repetition, key.action)
    joints = pose_joints(_body(seed, key.subject), _motion(rng, stream(seed, 1, key.subject), key.action))
    seen = _view(joints, rng, stream(seed, 2, key.setup, key.camera), key.camera)
    joints, state = _measure(seen, rng)
    return _detections(joints, state, rng)


def stream(seed: int, *purpose: int) -> np.random.Generator:
    """An independent random generator per purpose and clip, so that no clip depends on another."""
    return np.random.default_rng(np.random.SeedSequence([seed, VERSION, *purpose]))


def _body(seed: int, subject: int) -> Body:
    rng = stream(seed, 3, subject)
    size = rng.normal(1, 0.06)
    plain = vars(Body())
    return replace(Body(), **{name: value * size * rng.normal(1, 0.04) for name, value in plain.items()})


def _motion(rng: np.random.Generator, style: np.random.Generator, number: int) -> Array:
    """(L, 19): the action at 30 frames per second; L is 30 to 120, and the action starts within the first 2 seconds."""
    action = list(ACTIONS.values())[number - 1]
    if action.either and rng.random() < 0.5:
        action = action.mirrored()
    seconds, keys = _keys(action, rng)
    seconds *= style.lognormal(0, 0.15) * rng.lognormal(0, 0.2) * rng.lognormal(0, 0.2, len(seconds))
    seconds *= np.clip(seconds.sum(), 0.7, 1.9) / seconds.sum()
    idle = rng.uniform(0.4, 2.1)
    before = idle * rng.uniform(0.05, 0.95)
    times = np.concatenate([[0], before + np.cumsum(np.concatenate([[0], seconds]))])
    at = np.arange(round(FPS * (times[-1] + idle - before))) / FPS
    moved = _between(_personal(np.concatenate([keys[:1], keys]), style, rng), times, at)
    used = np.ptp(keys, axis=0) > 0
    for name in ("right_hand", "left_hand"):
        if not used[columns(name)].any():
            moved[:, columns(name)] = _idle_hand(rng, at)
    return moved + _wander(rng, at, used)


def _keys(action: Action, rng: np.random.Generator) -> tuple[Array, Array]:
    """Durations (n,) in seconds between consecutive key poses (n + 1, 19)."""
    repeats = rng.integers(action.repeats[0], action.repeats[1] + 1)
    steps = [*action.cycle * int(repeats), action.end]
    seconds = np.array([duration for duration, _ in steps])
    return seconds, np.stack([action.start.vector(), *(pose.vector() for _, pose in steps)])


def _personal(keys: Array, style: np.random.Generator, rng: np.random.Generator) -> Array:
    """Vary the key poses by person and repetition: their extent, accuracy and facing direction."""
    rest = AT_EASE.vector()
    size = style.normal(0.92, 0.12, len(rest)) * rng.normal(1, 0.1)
    size[columns("turn")] = 1
    done = rest + (keys - rest) * np.clip(size, 0.6, 1.15)
    done += rng.normal(0, 0.1, keys.shape) * np.ptp(keys, axis=0)
    done[:, columns("bend")] += style.normal(3, 4)
    done[:, columns("lean")] += style.normal(0, 2.5)
    done[:, columns("turn")] += rng.uniform(-25, 25)
    for name in ("right_hand", "left_hand"):
        at_ease = (keys[:, columns(name)] == rest[columns(name)]).all(1)
        done[at_ease, columns(name)] = _idle_hands(rng, 1)
    return done


def _idle_hands(rng: np.random.Generator, count: int) -> Array:
    """(count, 3): positions at which a hand may rest."""
    return np.array(_IDLE_HANDS)[rng.choice(len(_IDLE_HANDS), count, p=_IDLE_ODDS)]


def _idle_hand(rng: np.random.Generator, at: Array) -> Array:
    """(L, 3): a hand that the action does not use: it rests, moves to another position, and returns."""
    times = np.sort(rng.uniform(0, at[-1], 4)) + np.arange(4) * 0.2
    return _between(_idle_hands(rng, 2)[[0, 1, 1, 0]], times, at)


def _wander(rng: np.random.Generator, at: Array, used: NDArray[np.bool_]) -> Array:
    """(L, 19): slow random movement, larger in the parts of the body that the action does not use."""
    reach = np.where(used, 0.05, 0.1)
    for name, free in (("turn", 12.0), ("bend", 6.0), ("lean", 6.0), ("twist", 10.0)):
        reach[columns(name)] = np.where(used[columns(name)], 0.7, 1.0) * free
    for name in ("hips", "right_foot", "left_foot"):
        reach[columns(name)] = 0.025
    knots = max(2, len(at) // 18)
    return _between(rng.normal(0, 1, (knots, len(used))) * reach, np.linspace(0, at[-1], knots), at)


def _between(keys: Array, times: Array, at: Array) -> Array:
    """Interpolate key poses (n, D) at `times` (n,) to poses (L, D) at times `at` (L,), with minimum jerk.

    >>> _between(np.array([[0.0], [8.0]]), np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0, 2.0])).tolist()
    [[0.0], [4.0], [8.0], [8.0]]
    """
    index = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    u = np.clip((at - times[index]) / (times[index + 1] - times[index]), 0, 1)[:, None]
    return keys[index] + (keys[index + 1] - keys[index]) * u**3 * (10 - 15 * u + 6 * u**2)


def _view(joints: Array, rng: np.random.Generator, room: np.random.Generator, camera: int) -> Array:
    """(L, 25, 3): joints in the space of camera 1, 2 or 3, at -45, 0 and 45 degrees and tilted slightly downwards."""
    angle = np.radians((camera - 2) * 45 + room.normal(0, 6))
    distance, height = room.uniform(2.7, 3.8), room.uniform(1.0, 1.7)
    down = np.arctan2(height - 0.95, distance)
    away = np.array([room.normal(0, 0.1) + rng.normal(0, 0.12), -height, distance + rng.normal(0, 0.12)])
    one = np.ones(1)
    seen = joints @ rotation(angle * one, 0 * one, 0 * one)[0].T + away
    return seen @ rotation(0 * one, down * one, 0 * one)[0].T


def _measure(seen: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.int64]]:
    """Simulate the sensor: joints (L, 25, 3) with noise, and a tracking state (L, 25) for each.

    An arm joint that is occluded by the trunk is inferred: state 1, with more noise.
    """
    frames = len(seen)
    trunk = seen[:, [0, 20]].mean(1, keepdims=True)
    hidden = (seen[..., 2] > trunk[..., 2] + 0.05) & (abs(seen[..., 0] - trunk[..., 0]) < 0.14)
    hidden[:, _NEVER_HIDDEN] = False
    scale = np.where(hidden, 3.0, 1.0)[..., None]
    drift = np.empty_like(seen)
    drift[0] = rng.normal(0, 1, (JOINTS, 3))
    steps = rng.normal(0, np.sqrt(1 - 0.9**2), (frames, JOINTS, 3))
    for frame in range(1, frames):
        drift[frame] = 0.9 * drift[frame - 1] + steps[frame]
    noise = drift * _DRIFT[:, None] + rng.normal(0, 1, seen.shape) * _WHITE[:, None]
    measured, state = seen + noise * scale, np.where(hidden, 1, 2)
    for _ in range(rng.choice(4, p=(0.55, 0.2, 0.15, 0.1))):
        _lose(measured, state, rng)
    return measured, state


def _lose(joints: Array, state: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Lose track of the end of one limb for 4 to 20 frames: it stays at its last position, or jumps aside."""
    limb = (ARMS[0][2:], ARMS[1][2:], LEGS[0][2:], LEGS[1][2:])[rng.integers(4)]
    first = int(rng.integers(1, len(joints) - 4))
    span, lost = slice(first, first + int(rng.integers(4, 21))), list(limb)
    if rng.random() < 0.6:
        joints[span, lost] = joints[first - 1, lost]
    else:
        joints[span, lost] += rng.normal(0, 0.15, 3)
    state[span, lost] = 1


def _detections(joints: Array, state: NDArray[np.int64], rng: np.random.Generator) -> DemoClip:
    """Add faults of real files: in some clips the first frames are empty, in some there is a ghost body."""
    frames = len(joints)
    seen = np.zeros((frames, 2), bool)
    seen[:, 1] = np.arange(frames) >= (rng.integers(1, 5) if rng.random() < 0.08 else 0)
    if rng.random() < 0.04:
        first = rng.integers(5, frames - 12)
        seen[first : first + rng.integers(6, 25), 0] = True
    # As in real files, ids lie above 2**56, where neighbouring integers are equal as floats.
    person = 2**56 + int(rng.integers(30_000, 60_000))
    ghost = joints[0, 1] + [rng.choice([-1, 1]) * rng.uniform(0.8, 1.2), 0, 0.3] + rng.normal(0, 0.22, (JOINTS, 3))
    slots = np.stack([ghost + rng.normal(0, 0.01, joints.shape), joints], axis=1)
    states = np.stack([np.ones_like(state), state], axis=1)
    ids = np.broadcast_to(np.array([person + 4, person]), seen.shape)
    return DemoClip(seen.sum(1).astype(np.int64), ids[seen], slots[seen], states[seen], person)
