"""How large each pass of the network is."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer_p3m_portrait_matting.p3m.inference.pass_sizes import MIN_SIDE, floor_to_stride, pass_size

SIDES = st.integers(1, 8000)
INPUT_SIZES = st.integers(32, 8192)
BOUNDS = st.none() | st.integers(32, 2048)


@pytest.mark.parametrize(
    ("photo", "input_size", "halve", "expected"),
    [
        ((1620, 1080), 1024, True, (800, 512)),
        ((1080, 1620), 1024, True, (512, 800)),
        ((1620, 1080), 1024, False, (1024, 672)),
        ((1080, 1620), 1024, False, (672, 1024)),
        ((1620, 1080), 800, False, (800, 512)),
        ((512, 512), 1024, False, (512, 512)),
        ((512, 512), 1024, True, (256, 256)),
        ((1, 1), 1024, False, (512, 512)),
        ((1, 1), 1024, True, (256, 256)),
        ((63, 95), 1024, False, (320, 512)),
        ((63, 127), 1024, True, (96, 256)),
        ((63, 127), 128, False, (32, 128)),
        ((8000, 1), 1024, False, (1024, 32)),
        ((3000, 3000), 47, False, (32, 32)),
    ],
)
def test_known_sizes(photo, input_size, halve, expected):
    assert pass_size(*photo, input_size, halve) == expected


def test_bound_limits_the_long_side_beside_input_size():
    assert pass_size(1620, 1080, 1024, True, bound=512) == (512, 320)
    assert pass_size(1620, 1080, 256, True, bound=512) == (256, 160)
    assert pass_size(400, 300, 1024, True, bound=512) == pass_size(400, 300, 1024, True)
    assert pass_size(40, 30, 1024, True, bound=128) == (128, 96)


@pytest.mark.parametrize(("side", "expected"), [(0, 32), (1, 32), (31, 32), (32, 32), (63, 32), (64, 64), (1025, 1024)])
def test_floor_to_stride(side, expected):
    assert floor_to_stride(side) == expected


@given(SIDES, SIDES, INPUT_SIZES, st.booleans(), BOUNDS)
def test_each_side_is_the_exactly_scaled_one_rounded_down_to_a_multiple_of_32(height, width, input_size, halve, bound):
    limit = min(input_size, bound or input_size) // 32 * 32
    scale = min(Fraction(1, 2 if halve else 1), Fraction(limit, max(height, width)))
    if max(height, width) < MIN_SIDE:
        scale = Fraction(min(limit, MIN_SIDE // (2 if halve else 1)), max(height, width))
    exact = (height * scale, width * scale)
    assert pass_size(height, width, input_size, halve, bound) == tuple(max(32, side // 32 * 32) for side in exact)


@given(SIDES, SIDES, INPUT_SIZES, st.booleans(), BOUNDS)
def test_sides_are_multiples_of_32_within_the_bounds(height, width, input_size, halve, bound):
    size = pass_size(height, width, input_size, halve, bound)
    assert all(side >= 32 and side % 32 == 0 for side in size)
    assert max(size) <= input_size // 32 * 32
    assert bound is None or max(size) <= bound // 32 * 32
    if max(height, width) >= MIN_SIDE:
        assert all(side <= max(length, 32) for side, length in zip(size, (height, width), strict=True))


@given(st.integers(1, 511), st.integers(1, 511))
def test_a_small_photo_is_seen_as_large_as_one_of_512_px(height, width):
    scale = Fraction(512, max(height, width))
    large = int(height * scale), int(width * scale)
    for halve in (True, False):
        assert pass_size(height, width, 1024, halve) == pass_size(*large, 1024, halve)


@given(SIDES, SIDES, INPUT_SIZES, st.booleans())
def test_a_photo_that_is_too_large_fills_the_long_side(height, width, input_size, halve):
    limit = input_size // 32 * 32
    if max(height, width) >= limit * (2 if halve else 1):
        assert max(pass_size(height, width, input_size, halve)) == limit


@given(SIDES, SIDES, INPUT_SIZES, st.booleans(), BOUNDS)
def test_turning_the_photo_turns_the_size(height, width, input_size, halve, bound):
    size = pass_size(height, width, input_size, halve, bound)
    assert pass_size(width, height, input_size, halve, bound) == size[::-1]
