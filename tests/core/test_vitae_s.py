"""The Performer features of ViTAE-S."""

import numpy as np
import pytest
import torch

from infer_p3m_portrait_matting import p3m
from infer_p3m_portrait_matting.p3m.model.encoders.vitae_s import PERFORMER_SEED, performer_features


def test_performer_features_are_orthogonal_with_rows_of_length_sqrt_m():
    w = performer_features(2, 32, 64, 7).double()
    assert w.shape == (2, 32, 64)
    assert torch.allclose(w @ w.transpose(1, 2), 32 * torch.eye(32, dtype=torch.float64).expand(2, -1, -1), atol=1e-4)


def test_performer_features_are_fixed_by_their_seed():
    w = performer_features(1, 32, 64, PERFORMER_SEED)
    assert torch.equal(w, performer_features(1, 32, 64, PERFORMER_SEED))
    assert not torch.allclose(w, performer_features(1, 32, 64, PERFORMER_SEED + 1), atol=0.1)
    expected = [-0.0117673753, -0.3174081445, 0.4225793481, -0.3038505018]
    np.testing.assert_allclose(w[0, 0, :4], expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(w[0, 31, -3:], [-0.0314886607, 0.0327854306, 0.2741100490], rtol=0, atol=1e-5)
    assert w.double().sum().item() == pytest.approx(15.5263423, abs=1e-3)


def test_performer_features_are_no_part_of_the_weights():
    model = p3m.create_model("vitae-s")
    features = [cell.attn.w for cell in model.encoder.stages[0].cells]
    assert [w.shape for w in features] == [(1, 32, 64)] * 2
    assert not torch.equal(*features)
    assert not [name for name in model.state_dict() if name.endswith("attn.w")]
    assert all(torch.equal(w, performer_features(1, 32, 64, PERFORMER_SEED + i)) for i, w in enumerate(features))
