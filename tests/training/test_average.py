import pytest
import torch
from safetensors.torch import load_file

from infer_p3m_portrait_matting.p3m import create_model, load_weights, save_weights
from training.average import average, main


def test_the_share_is_that_of_the_second():
    first = {"w": torch.tensor([0.0, 1.0], dtype=torch.float16), "count": torch.tensor(3)}
    second = {"w": torch.tensor([4.0, 1.0], dtype=torch.float16), "count": torch.tensor(5)}
    found = average(first, second, 0.25)
    assert found["w"].tolist() == [1.0, 1.0]
    assert found["w"].dtype == torch.float16
    assert found["count"] == 5


def test_files_of_two_networks_and_shares_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="different networks: 1 tensors differ, b first"):
        average({"a": torch.zeros(1)}, {"a": torch.zeros(1), "b": torch.zeros(1)}, 0.5)
    with pytest.raises(ValueError, match="a first"):
        average({"a": torch.zeros(1)}, {"a": torch.zeros(2)}, 0.5)
    with pytest.raises(ValueError, match="share must lie"):
        average({}, {}, 1.5)


def test_the_average_of_two_files_is_a_weights_file(tmp_path, monkeypatch):
    files = []
    for seed in range(2):
        torch.manual_seed(seed)
        files.append(tmp_path / f"{seed}.safetensors")
        save_weights(create_model("mobile"), files[-1])
    mean = tmp_path / "mean.safetensors"
    monkeypatch.setattr("sys.argv", ["average", *map(str, files), "--output", str(mean)])
    main()
    model = create_model("mobile")
    load_weights(model, mean)
    one, other = (load_file(file)["matting.head.0.weight"].float() for file in files)
    assert torch.allclose(model.matting.head[0].weight, (one + other) / 2, atol=1e-3)
    assert not torch.equal(one, other)
