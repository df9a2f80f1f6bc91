"""What is known of the networks without building one: facts of all variants, and their channel tables."""

from dataclasses import dataclass

#: Height and width of the network's input are multiples of this: its encoders halve it five times.
STRIDE = 32

#: The classes of the segmentation decoder, in the order of its logits.
BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2

#: ImageNet statistics, per RGB channel on [0, 1]; every variant is normalised with them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Channels:
    """The channel table of a variant: everything in which the decoders of two variants differ.

    Attributes:
        encoder: channels of e0, e0p, e1, e2, e3, e4.
        segmentation: for decoder blocks 4 to 0 of the segmentation decoder, the channels of the block's input and of
            each of its convolutions (each followed by BN and ReLU).
        segmentation_head: channels of the plain convolutions at the end of the segmentation decoder. The first runs at
            half resolution, the others after the last upsampling. The last is 3 (background, unknown, foreground).
        matting: as ``segmentation``, for the matting decoder.
        matting_head: channels of the convolutions at the end of the matting decoder, at full resolution, with ReLU
            between them. The last is 1.
        head_sees_e0: whether the matting head sees e0 beside the last decoder feature (for encoders without pooling
            indices, whose last upsampling would bring nothing fine of its own).
    """

    encoder: tuple[int, int, int, int, int, int]
    segmentation: tuple[tuple[int, ...], ...]
    segmentation_head: tuple[int, ...]
    matting: tuple[tuple[int, ...], ...]
    matting_head: tuple[int, ...]
    head_sees_e0: bool = False
