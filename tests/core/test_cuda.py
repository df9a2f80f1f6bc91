"""On an NVIDIA GPU: the published numbers, the same bits every time, mattes as on the CPU, recovery, batches."""

import pytest
import torch

from benchmarks import on_gpu

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.fixture(scope="module")
def weights(checkpoints):
    return {**checkpoints, "mobile": None}


def assert_passed(outcome):
    passed, text = outcome
    assert passed, text


@pytest.mark.parametrize("name", ["resnet34", "vitae-s"])
def test_float32_gives_the_published_numbers(name, weights):
    assert_passed(on_gpu.check_golden(name, weights, "cuda"))


@pytest.mark.parametrize("name", on_gpu.MODELS)
def test_ten_runs_give_the_same_bits(name, weights):
    assert_passed(on_gpu.check_same_bits(name, weights, "cuda"))


@pytest.mark.parametrize("name", on_gpu.MODELS)
def test_mattes_are_those_of_the_cpu(name, weights):
    assert_passed(on_gpu.check_against_cpu(name, weights, "cuda"))


def test_a_run_after_one_that_found_no_memory_works(weights):
    assert_passed(on_gpu.check_out_of_memory(weights))


def test_fused_convolutions_give_the_same_mattes(weights):
    assert_passed(on_gpu.check_fusion(weights))


@pytest.mark.parametrize("name", on_gpu.MODELS)
def test_photos_together_give_what_they_give_one_by_one(name, weights):
    assert_passed(on_gpu.check_batch(name, weights, "cuda"))
