import pytest
import torch

from infer_p3m_portrait_matting.p3m import create_model, load_weights, save_weights
from training.sharpen import main as sharpen


def test_sharpening_scales_the_logits_of_the_local_alpha_alone(tmp_path, monkeypatch):
    torch.manual_seed(0)
    models = {name: create_model("mobile").eval() for name in ("before", "after")}
    files = [tmp_path / f"{name}.safetensors" for name in models]
    save_weights(models["before"], files[0])
    arguments = ["--weights", files[0], "--output", files[1], "--gain"]
    monkeypatch.setattr("sys.argv", ["sharpen", *map(str, arguments), "1.5"])
    sharpen()
    for model, file in zip(models.values(), files, strict=True):
        load_weights(model, file)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before, after = (model(x) for model in models.values())
    assert torch.equal(before.logits, after.logits)
    assert before.local_alpha.std() > 0
    assert torch.allclose(after.local_alpha.logit(), 1.5 * before.local_alpha.logit(), atol=2e-3)
    monkeypatch.setattr("sys.argv", ["sharpen", *map(str, arguments), "0"])
    with pytest.raises(ValueError, match="gain must be above 0"):
        sharpen()
