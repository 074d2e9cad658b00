"""Tracking people who have no ids."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.plain_kinetics import Pose, numpy_link, plain_link, pose, recording
from helpers.shared import shared
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from manifests.facts import dataset
from prep.formats import FindRequest
from prep.preprocessing.bodies import longest_tracks
from prep.readers._link import GAP, REACH, link
from prep.readers.kinetics import find, read
from prep.untrusted.files import load_bytes


def follow(frames: list[list[Pose]]) -> list[list[int]]:
    made = recording(frames)
    ends = np.cumsum(made.bodies_per_frame)[:-1]
    return [ids.tolist() for ids in np.split(link(made.bodies_per_frame, made.joints), ends)]


def at(x: float, y: float = 0.5, score: float = 0.5) -> Pose:
    """All joints at one point."""
    return [(x, y, score)] * 18


def scene(seed: int, frames: int, people: int) -> list[list[Pose]]:
    """People who wander, disappear at times, and are listed in any order."""
    random = np.random.default_rng(seed)
    paths = random.uniform(0.2, 0.8, (people, 2)) + random.normal(0, 0.03, (frames, people, 2)).cumsum(0)
    # With three decimals two people would be equally sure at times, and either may be numbered first.
    return [
        [
            pose(int(random.integers(2**60)), *paths[frame, who], decimals=9)
            for who in random.permutation(people)
            if random.random() < 0.8
        ]
        for frame in range(frames)
    ]


def test_the_nearest_are_joined_whatever_the_order() -> None:
    assert follow([[at(0.2, score=0.9), at(0.5)], [at(0.55), at(0.22)], [at(0.24), at(0.6)]]) == [
        [0, 1],
        [1, 0],
        [0, 1],
    ]
    # The pair at 0.02 comes before the one at 0.03, though a swap would move everybody less than the reach.
    assert follow([[at(0.5)], [at(0.53), at(0.48)]]) == [[0], [1, 0]]


@pytest.mark.parametrize(("step", "tracks"), [(0.99, [[0], [0]]), (1.01, [[0], [1]])])
def test_nobody_jumps_beyond_reach(step: float, tracks: list[list[int]]) -> None:
    assert follow([[at(0.3)], [at(0.3 + step * REACH)]]) == tracks


@pytest.mark.parametrize(("away", "last"), [(GAP, 0), (GAP + 1, 1)])
def test_a_track_waits_and_then_ends(away: int, last: int) -> None:
    assert follow([[at(0.3)], *[[]] * away, [at(0.31)]])[-1] == [last]


def test_a_piece_that_shares_one_joint_does_not_take_the_track() -> None:
    whole = pose(1, found=1.0)
    arm: Pose = [joint if 4 < number < 9 else (0.0, 0.0, 0.0) for number, joint in enumerate(whole)]
    rest: Pose = [(0.0, 0.0, 0.0) if 4 < number < 8 else joint for number, joint in enumerate(whole)]
    moved: Pose = [(x + 0.03, y, score) for x, y, score in whole]
    assert follow([[moved], [rest, arm], [moved], [arm, rest], [whole]]) == [[0], [0, 1], [0], [1, 0], [0]]


def test_missing_joints_have_no_distance() -> None:
    blank: Pose = [(0.0, 0.0, 0.0)] * 18
    assert follow([[blank], [blank], [at(0.0)]]) == [[0], [1], [2]]
    left: Pose = [(0.3, 0.3, 0.5)] * 9 + [(0.0, 0.0, 0.0)] * 9
    right: Pose = [(0.0, 0.0, 0.0)] * 9 + [(0.3, 0.3, 0.5)] * 9
    assert follow([[left], [right]]) == [[0], [1]]


@pytest.mark.parametrize("frames", [0, 1, 4])
def test_frames_without_people_have_no_tracks(frames: int) -> None:
    assert link(np.zeros(frames, np.int64), np.zeros((0, 18, 3), np.float32)).shape == (0,)


@given(seed=st.integers(0, 10**6), frames=st.integers(1, 25), people=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_it_is_the_rule(seed: int, frames: int, people: int) -> None:
    scenes = scene(seed, frames, people)
    tracks = follow(scenes)
    assert tracks == plain_link(scenes)
    assert all(len(set(ids)) == len(ids) for ids in tracks)


def crowd(seed: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """People and joints of a short scene with ties (on a coarse grid at times) and joints or all of them missing."""
    random = np.random.default_rng(seed)
    most = int(random.integers(1, 12))
    people = random.integers(0, most + 1, random.integers(1, 16))
    rows = int(people.sum())
    joints = (
        random.normal(0, random.choice([0.005, 0.03, 0.1]), (rows, 18, 3))
        + random.random((most, 1, 3))[random.integers(0, most, rows)]
    )
    joints[random.random((rows, 18)) < random.choice([0.0, 0.3, 0.7, 0.97])] = 0
    return people, joints.clip(0).round(int(random.choice([1, 2, 3, 9]))).astype(np.float32)


@pytest.mark.parametrize("seeds", [range(1000), pytest.param(range(1000, 9000), marks=pytest.mark.slow)], ids=len)
def test_tracks_are_those_of_numpy_with_ties_and_near_ties(seeds: range) -> None:
    joined = 0
    for seed in seeds:
        people, joints = crowd(seed)
        tracks = numpy_link(people, joints)
        np.testing.assert_array_equal(link(people, joints), tracks, err_msg=f"crowd({seed})")
        joined += len(tracks) - len(set(tracks.tolist()))
    assert joined > 2.5 * len(seeds)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_order_within_a_frame_has_no_influence(seed: int) -> None:
    scenes = scene(seed, 20, 6)
    random = np.random.default_rng(seed + 1)
    orders = [random.permutation(len(people)) for people in scenes]
    mixed = [[people[index] for index in order] for people, order in zip(scenes, orders, strict=True)]
    for ids, mixed_ids, order in zip(follow(scenes), follow(mixed), orders, strict=True):
        assert [ids[index] for index in order] == mixed_ids


def test_real_clips_are_followed_as_by_numpy() -> None:
    facts = dataset("kinetics")
    sources = find(FindRequest(shared("data/kinetics-skeleton"), facts)).sources
    assert len(sources) >= 5
    for source in sources:
        clip = read(source, load_bytes(source), facts)
        np.testing.assert_array_equal(clip.body_id, numpy_link(clip.bodies_per_frame, clip.joints))


def test_the_potter_of_a_real_clip_is_one_person() -> None:
    facts = dataset("kinetics")
    sources = {source.name: source for source in find(FindRequest(shared("data/kinetics-skeleton"), facts)).sources}
    potter = read(sources["__U_scuxNlQ"], load_bytes(sources["__U_scuxNlQ"]), facts)
    # One person in 299 frames, whom OpenPose cuts in two twice.
    assert np.bincount(potter.body_id).tolist() == [299, 2]
    assert longest_tracks(potter)[:, 0].any(axis=(1, 2)).all()
    dancers = read(sources["__PYrzYbzKE"], load_bytes(sources["__PYrzYbzKE"]), facts)
    assert sorted(np.bincount(dancers.body_id))[-5:] == [298, 298, 299, 299, 299]
