"""Preprocessing steps and body selection, on hand-made clips and against a plain reference."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.plain_ntu import plain_ctrgcn, plain_read
from helpers.synthetic_ntu import person, recording, text
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.clip import Recording
from prep.preprocessing import bodies, steps


def clip(seed: int = 0, frames: int = 6, people: int = 2) -> np.ndarray:
    return np.stack([person(seed + number, frames) for number in range(people)], axis=1).astype(np.float32)


# --- steps ---


STEPS = {
    "drop": steps.drop_blank_frames,
    "subtract": lambda joints: steps.subtract_first_frame(joints, 1).joints,
    "centre": lambda joints: steps.centre_frames(joints, 1).joints,
    "tail": steps.repeat_tail,
    "align": lambda joints: steps.align(joints, 0, 1, "z").joints,
    "scale": lambda joints: steps.scale_axes(joints).joints,
    "image": lambda joints: steps.centre_image(joints).joints,
    "match": steps.match_bodies,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frames", [0, 1, 6])
def test_a_step_keeps_its_input_and_the_type_of_numbers(step: str, dtype: type, frames: int) -> None:
    joints = clip(frames=frames).astype(dtype)
    before = joints.copy()
    after = STEPS[step](joints)
    assert (joints == before).all()
    assert (after.dtype, after.shape) == (joints.dtype, joints.shape)
    assert np.isfinite(after).all()


@pytest.mark.parametrize("step", STEPS)
def test_nobody_stays_nobody(step: str) -> None:
    assert not STEPS[step](np.zeros((4, 2, 25, 3), np.float32)).any()


@pytest.mark.parametrize("step", ["subtract", "centre", "align", "scale", "image"])
def test_an_absent_body_stays_zeros(step: str) -> None:
    joints = clip()
    joints[2:4, 1] = 0
    joints[4, 0] = 0
    assert (steps.present(STEPS[step](joints)) == steps.present(joints)).all()


def test_blank_frames_are_those_that_show_nobody() -> None:
    joints = clip()
    joints[[0, 3]] = 0
    joints[4, 0] = 0
    assert (steps.drop_blank_frames(joints) == joints[[1, 2, 4, 5]]).all()


def test_the_origin_is_a_joint_of_the_first_frame_that_shows_body_0() -> None:
    joints = clip()
    joints[:2, 0] = 0
    moved = steps.subtract_first_frame(joints, 1).joints
    assert not moved[2, 0, 1].any()
    np.testing.assert_allclose(moved[0, 1], joints[0, 1] - joints[2, 0, 1])
    assert not moved[:2, 0].any()


def test_centring_follows_body_0_and_leaves_joints_at_zero() -> None:
    joints = clip()
    joints[3, 1, 7] = 0
    moved = steps.centre_frames(joints, 1).joints
    assert not moved[:, 0, 1].any()
    assert not moved[3, 1, 7].any()
    np.testing.assert_allclose(moved[5, 1], joints[5, 1] - joints[5, 0, 1])


@pytest.mark.parametrize(
    ("seen", "played"),
    [
        ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
        ([1, 2, 0, 0, 0, 0], [1, 2, 1, 2, 1, 2]),
        ([1, 0, 3, 0, 0, 0], [1, 0, 3, 1, 0, 3]),
        ([0, 2, 0, 4, 0, 0], [2, 4, 2, 4, 2, 4]),
        ([0, 0, 0, 0, 0, 6], [6, 6, 6, 6, 6, 6]),
        ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
    ],
)
def test_the_tail_repeats_the_clip(seen: list[float], played: list[float]) -> None:
    other = np.arange(1.0, 7.0)
    joints = np.stack([np.array(seen, float), other], axis=1)[..., None, None]
    after = steps.repeat_tail(joints)[..., 0, 0]
    assert after[:, 0].tolist() == played
    assert (after[:, 1] == other).all()


@pytest.mark.parametrize(("axis", "unit"), [("x", [1, 0, 0]), ("y", [0, 1, 0]), ("z", [0, 0, 1])])
@pytest.mark.parametrize("seed", range(5))
def test_a_bone_turns_onto_an_axis_and_nothing_is_bent(axis: str, unit: list[int], seed: int) -> None:
    joints = clip(seed).astype(np.float64)
    turned = steps.align(joints, 0, 1, axis).joints  # type: ignore[arg-type]
    bone = turned[0, 0, 1] - turned[0, 0, 0]
    np.testing.assert_allclose(bone / np.linalg.norm(bone), unit, atol=1e-12)
    inner = np.einsum("lmvc,lmwc->lmvw", joints, joints)
    np.testing.assert_allclose(np.einsum("lmvc,lmwc->lmvw", turned, turned), inner, atol=1e-9)
    volume = np.linalg.det(joints[0, 0, :3]), np.linalg.det(turned[0, 0, :3])
    np.testing.assert_allclose(*volume, atol=1e-9)


@pytest.mark.parametrize("bone", [[0, 0, 2], [0, 0, -2], [0, 0, 0], [0, 0, 1e-9]])
def test_nothing_turns_when_the_bone_is_along_the_axis_or_absent(bone: list[float]) -> None:
    joints = np.array([[0.0, 0.0, 0.0], bone, [1.0, 2.0, 3.0]]).reshape(1, 1, 3, 3)
    assert (steps.align(joints, 0, 1, "z").joints == joints).all()


def test_each_axis_is_stretched_by_itself() -> None:
    joints = clip(people=1)
    joints[3] = 0
    scaled = steps.scale_axes(joints).joints
    seen = steps.present(joints)
    assert scaled[seen].min((0, 1)).tolist() == [-1, -1, -1]
    assert scaled[seen].max((0, 1)).tolist() == [1, 1, 1]
    flat = joints.copy()
    flat[..., 2] = 7
    assert not steps.scale_axes(flat).joints[..., 2].any()


def test_the_origin_of_an_image_is_its_middle_and_missing_joints_lie_there() -> None:
    joints = np.array([[0.75, 0.25, 0.9], [0.0, 0.0, 0.0], [0.5, 0.5, 0.4]], np.float64).reshape(1, 1, 3, 3)
    assert steps.centre_image(joints).joints[0, 0].tolist() == [[0.25, -0.25, 0.9], [0, 0, 0], [0, 0, 0.4]]
    assert steps.centre_image(joints, y="up").joints[0, 0].tolist() == [[0.25, 0.25, 0.9], [0, 0, 0], [0, 0, 0.4]]


def plain_match(joints: np.ndarray) -> np.ndarray:
    """ST-GCN's rule body by body: (L, M, V, 3)."""
    matched, here = joints.copy(), list(range(joints.shape[1]))
    for frame in range(len(joints) - 1):
        to: dict[int, int] = {}
        for body in sorted(range(joints.shape[1]), key=lambda body: -joints[frame, body, :, 2].sum()):
            free = [other for other in range(joints.shape[1]) if other not in to.values()]
            apart = [((joints[frame + 1, other, :, :2] - joints[frame, body, :, :2]) ** 2).sum() for other in free]
            to[body] = free[int(np.argmin(apart))]
        here = [to[body] for body in here]
        matched[frame + 1] = joints[frame + 1, here]
    return matched[:, np.argsort(-matched[..., 2].sum(axis=(0, 2)), kind="stable")]


@given(seed=st.integers(0, 10**6), frames=st.integers(0, 12), people=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_matched_bodies_are_followed_by_the_rule(seed: int, frames: int, people: int) -> None:
    joints = np.random.default_rng(seed).normal(size=(frames, people, 18, 3))
    joints[..., 2] = np.abs(joints[..., 2])
    np.testing.assert_array_equal(steps.match_bodies(joints), plain_match(joints))


# --- bodies ---


SELECTIONS = [bodies.longest_tracks, bodies.agcn_slots, bodies.ctrgcn_actors]


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("frames", [[], [[]], [[], [], []]])
def test_a_recording_of_nobody_has_no_bodies(select, frames: list) -> None:  # type: ignore[no-untyped-def,type-arg]
    selected = select(recording(frames))
    assert selected.shape[1:] == (1, 25, 3) or selected.shape[1] <= 2
    assert not selected.any()


@pytest.mark.parametrize("select", SELECTIONS)
@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_bodies_than_asked_for(select, most: int) -> None:  # type: ignore[no-untyped-def]
    frames = [[(number, person(10 * number + frame)[0]) for number in range(5)] for frame in range(15)]
    assert 1 <= select(recording(frames), bodies=most).shape[1] <= most


def test_longest_tracks_follow_the_id_from_place_to_place() -> None:
    long, short = person(1, 6), person(2, 6)
    frames = [[(7, long[0])], *([(8, short[n]), (7, long[n])] for n in range(1, 4)), [], [(7, long[5])]]
    selected = bodies.longest_tracks(recording(frames))
    assert selected.shape == (6, 2, 25, 3)
    np.testing.assert_array_equal(selected[[0, 1, 2, 3, 5], 0], long[[0, 1, 2, 3, 5]].astype(np.float32))
    np.testing.assert_array_equal(selected[1:4, 1], short[1:4].astype(np.float32))
    assert steps.present(selected).tolist() == [[1, 0], [1, 1], [1, 1], [1, 1], [0, 0], [1, 0]]


def test_equally_long_tracks_are_ranked_by_motion() -> None:
    calm, lively = person(1, 5), person(2, 5) * [3, 1, 1]
    frames = [[(1, calm[n]), (2, lively[n])] for n in range(5)]
    assert (bodies.longest_tracks(recording(frames))[:, 0] == lively.astype(np.float32)).all()


def test_ids_that_float64_cannot_tell_apart_are_two_people() -> None:
    first, second = 72057594037944738, 72057594037944734
    assert float(first) == float(second)
    frames = [[(first, person(1)[0]), (second, person(2)[0])]] * 3
    assert steps.present(bodies.longest_tracks(recording(frames))).all()


def test_an_id_twice_in_a_frame_counts_once() -> None:
    frames = [[(1, person(n)[0]), (1, person(n + 50)[0])] for n in range(15)]
    expected = np.stack([bodies_in[0][1] for bodies_in in frames]).astype(np.float32)
    for select in (bodies.longest_tracks, bodies.ctrgcn_actors):
        assert (select(recording(frames))[:, 0] == expected).all()


def test_agcn_slots_go_by_place_and_energy() -> None:
    calm, lively, fifth = person(1, 8), person(2, 8) * [4, 1, 1], person(3, 8) * [50, 1, 1]
    frames = [
        [(n, calm[n]), (99 - n, lively[n]), *[(50 + k, calm[0]) for k in range(2)], (60, fifth[n])] for n in range(8)
    ]
    selected = bodies.agcn_slots(recording(frames))
    assert (selected[:, 0] == lively.astype(np.float32)).all()
    assert (selected[:, 1] == calm.astype(np.float32)).all()


def test_when_every_track_is_short_the_longest_is_kept() -> None:
    frames = [[(1, person(n)[0])] for n in range(5)] + [[(2, person(n)[0])] for n in range(9)]
    selected = bodies.ctrgcn_actors(recording(frames))
    assert steps.present(selected).tolist() == [[True, False]] * 9


def synthetic_frames(data: st.DataObject) -> list[list[tuple[int, np.ndarray]]]:
    """Up to four people who come, go and change places; some are wide."""
    length = data.draw(st.integers(1, 40))
    people = []
    for number in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, length - 1))
        track = person(data.draw(st.integers(0, 99)), length)
        track[data.draw(st.integers(0, length)) :] *= data.draw(st.sampled_from([[1, 1, 1], [5, 1, 1]]))
        gaps = data.draw(st.sets(st.integers(0, length - 1), max_size=5))
        people.append((2**60 + number, range(start, data.draw(st.integers(start, length))), gaps, track))
    return [[(i, track[n]) for i, span, gaps, track in people if n in span and n not in gaps] for n in range(length)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_ctrgcn_agrees_with_the_plain_reference(data: st.DataObject) -> None:
    frames = synthetic_frames(data)
    selected = bodies.ctrgcn_actors(recording(frames))
    selected = np.pad(selected, [(0, 0), (0, 2 - selected.shape[1]), (0, 0), (0, 0)])
    plain = plain_ctrgcn(plain_read(text(frames)))
    np.testing.assert_allclose(steps.subtract_first_frame(selected, 1).joints, plain, atol=1e-5)


# --- NaN ---


def with_nan(frames: int, *holes: tuple[int, int]) -> Recording:
    made = recording([[(1, joints)] for joints in person(3, frames)])
    for frame, joint in holes:
        made.joints[frame, joint, 1] = np.nan
    return made


def test_nan_is_filled_from_before_then_from_after_then_with_zero() -> None:
    made = with_nan(5, (0, 2), (1, 2), (3, 2), (4, 2), *((frame, 9) for frame in range(5)))
    filled = bodies.fill_nan(made).joints
    assert (filled[:, 2] == made.joints[2, 2]).all()
    assert not filled[:, 9].any()
    untouched = [joint for joint in range(25) if joint not in (2, 9)]
    assert (filled[:, untouched] == made.joints[:, untouched]).all()


def test_nan_is_filled_from_the_same_person() -> None:
    frames = [[(1, person(1)[0]), (2, person(2)[0])], [(2, person(3)[0]), (1, person(4)[0])]]
    made = recording(frames)
    made.joints[3, 5] = np.nan
    assert (bodies.fill_nan(made).joints[3, 5] == made.joints[0, 5]).all()


def test_a_recording_without_nan_is_returned_as_it_is() -> None:
    made = with_nan(3)
    assert bodies.fill_nan(made) is made
