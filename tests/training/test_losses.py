import numpy as np
import pytest
import torch
from torch.nn import functional as F

from infer_p3m_portrait_matting.p3m import create_model
from infer_p3m_portrait_matting.p3m.model.network import P3MOutput, fuse
from training.losses import LOCAL_ERROR, expected_error, laplacian, local_loss, p3m_loss


def random_output(seed=0, size=64):
    generator = torch.Generator().manual_seed(seed)

    def noise(channels):
        return torch.randn(2, channels, size, size, generator=generator, dtype=torch.float64)

    logits, local = noise(3), noise(1).sigmoid()
    output = P3MOutput(logits, local, fuse(logits, local), (noise(3), noise(3), noise(3)))
    truth = noise(1).sigmoid()
    trimap = torch.randint(0, 3, (2, size, size), generator=generator)
    return output, truth, trimap, noise(1).sigmoid()


def gaussian_pyramid_loss(prediction, truth):
    """Two Laplacian pyramids with one 5 x 5 kernel of sigma 1, and the distance of their levels."""

    def pyramid(x):
        g = np.exp(-(np.arange(-2, 3) ** 2) / 2)
        kernel = torch.from_numpy(np.outer(g, g) / np.outer(g, g).sum()).view(1, 1, 5, 5)
        levels = []
        for _ in range(5):
            smooth = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel)
            levels.append(x - smooth)
            x = (smooth[..., ::2, ::2] + smooth[..., 1::2, ::2] + smooth[..., ::2, 1::2] + smooth[..., 1::2, 1::2]) / 4
        return levels

    levels = zip(pyramid(prediction), pyramid(truth), strict=True)
    return sum(2**i * (p - t).abs().mean() for i, (p, t) in enumerate(levels))


def cross_entropy(logits, trimap):
    return -logits.log_softmax(1).gather(1, trimap.unsqueeze(1)).mean()


def test_laplacian_of_the_difference_is_the_difference_of_the_pyramids():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(2, 1, 64, 96, generator=generator, dtype=torch.float64) for _ in range(2))
    assert laplacian(a - b).item() == pytest.approx(gaussian_pyramid_loss(a, b).item(), abs=1e-6)
    assert laplacian(a - a).item() == 0


def test_loss_is_the_sum_of_the_paper():
    output, truth, trimap, contrast = random_output()
    losses = p3m_loss(output, truth, trimap, contrast)
    sides = sum(cross_entropy(side, trimap) for side in output.side_logits)
    unknown = (trimap == 1).unsqueeze(1)
    masked = output.local_alpha * unknown, truth * unknown
    parts = (
        sides / 6 + cross_entropy(output.logits, trimap) / 2,
        (output.local_alpha - truth)[unknown].abs().mean() + gaussian_pyramid_loss(*masked),
        (output.alpha - truth).abs().mean() + gaussian_pyramid_loss(output.alpha, truth),
        ((output.alpha - truth).abs() * contrast).mean(),
    )
    assert [loss.item() for loss in losses[1:]] == pytest.approx([part.item() for part in parts], abs=1e-6)
    total = parts[0] + 2 * parts[1] + 3 * parts[2] + parts[3]
    assert losses.total.item() == pytest.approx(total.item(), abs=1e-5)


def test_the_segmentation_counts_by_its_weight():
    output, truth, trimap, contrast = random_output()
    full, little = (p3m_loss(output, truth, trimap, contrast, weight) for weight in (1.0, 0.25))
    assert little[1:] == full[1:]
    assert (full.total - little.total).item() == pytest.approx(0.75 * full.segmentation.item(), abs=1e-6)


def test_the_local_loss_looks_at_the_unknown_area_alone():
    output, truth, trimap, contrast = random_output()
    unknown = (trimap == 1).unsqueeze(1)
    elsewhere = torch.where(unknown, output.local_alpha, 1 - output.local_alpha)
    loss = local_loss(output.local_alpha, truth, trimap, contrast)
    assert loss.item() == local_loss(elsewhere, truth, trimap, contrast).item()
    error = (output.local_alpha - truth) * unknown
    share = unknown.double().mean()
    parts = (
        2 * error[unknown].abs().mean(),
        gaussian_pyramid_loss(error, torch.zeros_like(error)) / share,
        (error.abs() * contrast)[unknown].mean(),
    )
    assert loss.item() == pytest.approx(sum(part.item() for part in parts), abs=1e-5)
    assert local_loss(truth, truth, trimap, contrast).item() == 0
    assert local_loss(output.local_alpha, truth, torch.zeros_like(trimap), contrast).item() == 0


def test_perfect_alpha_costs_nothing_and_nothing_unknown_is_no_division_by_zero():
    output, truth, trimap, contrast = random_output()
    perfect = p3m_loss(output._replace(local_alpha=truth, alpha=truth), truth, trimap, contrast)
    assert (perfect.local.item(), perfect.fused.item(), perfect.composition.item()) == (0, 0, 0)
    known = p3m_loss(output, truth, torch.zeros_like(trimap), contrast)
    assert known.local.item() == 0
    assert torch.isfinite(known.total)


@pytest.fixture(scope="module")
def training_model():
    torch.manual_seed(0)
    return create_model("mobile")


def test_gradients_reach_every_parameter(training_model):
    _, truth, trimap, contrast = random_output(1)
    training_model.zero_grad()
    output = training_model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    p3m_loss(output, truth.float(), trimap, contrast.float()).total.backward()
    assert [name for name, p in training_model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(torch.isfinite(p.grad).all() for p in training_model.parameters())


def test_argmax_cuts_the_gradient_of_the_fused_alpha_to_the_segmentation(training_model):
    training_model.zero_grad()
    output = training_model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert (output.logits.argmax(1) == 1).any()
    output.alpha.sum().backward()
    cut = {name for name, p in training_model.named_parameters() if p.grad is None}
    assert cut
    assert all(name.startswith(("segmentation.head", "segmentation.d0", "segmentation.dbfi_")) for name in cut)
    assert all(p.grad is not None for p in training_model.matting.parameters())
    assert all(p.grad is not None for p in training_model.encoder.parameters())


def test_the_expected_error_is_what_each_class_costs_the_matte():
    output, truth, *_ = random_output()
    costs = torch.cat([truth, torch.full_like(truth, LOCAL_ERROR), 1 - truth], 1)
    by_class = (output.logits.softmax(1) * costs).sum(1).mean()
    assert expected_error(output.logits, truth).item() == pytest.approx(by_class.item(), abs=1e-9)


def test_a_lost_hand_costs_more_than_a_wide_unknown_area():
    hand = torch.ones(1, 1, 32, 32)

    def cost_of(called):
        logits = torch.zeros(1, 3, 32, 32)
        logits[:, called] = 20
        return expected_error(logits, hand).item()

    background, unknown, foreground = (cost_of(called) for called in range(3))
    assert foreground < unknown < background
    assert (foreground, unknown, background) == pytest.approx((0, LOCAL_ERROR, 1), abs=1e-6)


def test_an_error_far_from_the_outline_can_weigh_more():
    truth = torch.zeros(1, 1, 96, 96)
    truth[..., 48:] = 1
    trimap = torch.ones(1, 96, 96, dtype=torch.int64)
    contrast = torch.zeros_like(truth)
    near, far = truth.clone(), truth.clone()
    near[..., 40:44, 50:54] = 0
    far[..., 40:44, 86:90] = 0
    plain = [local_loss(x, truth, trimap, contrast).item() for x in (near, far)]
    weighed = [local_loss(x, truth, trimap, contrast, inside=3.0).item() for x in (near, far)]
    assert weighed[0] == pytest.approx(plain[0])
    assert weighed[1] - plain[1] == pytest.approx(3 * 2 * 16 / 96**2, rel=1e-4)


def test_a_lost_limb_costs_more_than_as_much_of_a_body():
    alpha = torch.zeros(1, 1, 128, 128)
    alpha[..., 20:100, 20:80] = 1
    alpha[..., 56:62, 80:120] = 1

    def cost(lost, thin):
        logits = torch.zeros(1, 3, 128, 128)
        logits[:, 2] = 20 * alpha[:, 0] - 10
        logits[:, 0] = -logits[:, 2]
        logits[:, 1] = -20
        logits[..., lost[0], lost[1]] = torch.tensor([20.0, -20, -20]).view(1, 3, 1, 1)
        return expected_error(logits, alpha, thin).item()

    limb, body = (slice(56, 62), slice(100, 116)), (slice(50, 56), slice(40, 56))
    assert cost(limb, 0.0) == pytest.approx(cost(body, 0.0), rel=1e-5)
    assert cost(limb, 2.0) == pytest.approx(3 * cost(body, 2.0), rel=0.02)
