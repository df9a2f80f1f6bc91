"""Define the variants of P3M-Net as data, and build them by name. Torch is loaded only to build one."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from .channels import STRIDE, Channels

if TYPE_CHECKING:
    from .network import P3MNet


@dataclass(frozen=True)
class Variant:
    """One entry of the registry.

    Attributes:
        name: name of the model, in lower case.
        encoder: module in ``encoders/`` and the class in it, "module:Class", which builds the encoder without weights.
        channels: the decoders' channel table.
        about: what tells this model from the others; it completes the sentence "NAME is ...".
        global_bound: upper limit of the long side in pixels for the global pass and RESIZE, or None for no limit.
        unknown_above: HYBRID's rule for the unknown area (see :func:`~..inference.fusion.classify`); it depends on the
            weights.
        second_look: how large a mistake HYBRID lets the local alpha correct
            (:class:`~..inference.second_look.SecondLook`); zeros correct nothing, as published.
        published_file: name of the checkpoint that the paper's authors published, or None.
        published_layout: the published checkpoint's :func:`~.published.layout_digest`, or None.
        published_sha256: SHA-256 of the published checkpoint, or None while it is not known;
            ``tools/pin_weights.py --published FOLDER`` writes it here.
        bundled_file: name of the weights file shipped with this package, or None.
        bundled_sha256: SHA-256 of the bundled file; ``python tools/pin_weights.py`` writes it here after the file was
            replaced.
        exact: modules of the network that half precision leaves in float32, besides the segmentation's head.
    """

    name: str
    encoder: str
    channels: Channels
    about: str
    global_bound: int | None = None
    unknown_above: float | None = None
    second_look: tuple[float, float] = (0.0, 0.0)
    published_file: str | None = None
    published_layout: str | None = None
    published_sha256: str | None = None
    bundled_file: str | None = None
    bundled_sha256: str | None = None
    exact: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.global_bound is not None and self.global_bound < STRIDE:
            raise ValueError(f"global_bound must be at least {STRIDE}, got {self.global_bound}")
        if self.unknown_above is not None and not 0 <= self.unknown_above < 1:
            raise ValueError(f"unknown_above must lie in [0, 1), got {self.unknown_above}")
        if not all(0 <= share <= 1 for share in self.second_look):
            raise ValueError(f"second_look must lie in [0, 1], got {self.second_look}")


_RESNET34 = (
    (512, 512, 512, 256),
    (256, 256, 256, 128),
    (128, 128, 128, 64),
    (64, 64, 64, 64),
    (64, 64, 64),
)
_VITAE_S = (
    (512, 256, 256, 256),
    (256, 128, 128, 128),
    (128, 64, 64, 64),
    (64, 64, 64, 64),
    (64, 32, 32),
)
_MOBILE = (
    (320, 112, 112),
    (112, 40, 40),
    (40, 24, 24),
    (24, 16, 16),
    (16, 16),
)
#: The fine levels decide how well strands of hair come out, so the matting decoder is wider there.
_MOBILE_MATTING = (*_MOBILE[:3], (24, 32, 16), (16, 32, 32))

_VARIANTS = (
    Variant(
        "resnet34",
        "resnet34:ResNet34Encoder",
        Channels((64, 64, 64, 128, 256, 512), _RESNET34, (3,), _RESNET34, (1,)),
        about="the published ResNet-34",
        published_file="p3mnet_pretrained_on_p3m10k.pth",
        published_layout="de8efe4778317589919fa3dc52319190bedc7702695eb80e740a7c9de2121209",
        # Unpooling puts values where the pools found their maxima, and rounding in the first convolution moves the
        # maxima.
        exact=("encoder.conv1",),
    ),
    Variant(
        "vitae-s",
        "vitae_s:ViTAESEncoder",
        Channels((32, 64, 64, 128, 256, 512), _VITAE_S, (32, 3), _VITAE_S, (1,)),
        about="the published ViTAE-S, the most accurate",
        published_file="P3M-Net_ViTAE-S_trained_on_P3M-10k.pth",
        published_layout="155b097592542a8fccc218a3ddd9f3f59439a370f8af413dcc14cc3e88f4c78c",
        # For the same reason: the outputs of these norms are pooled.
        exact=("encoder.stages.0", *(f"encoder.stages.{index}.reduction.norm" for index in (1, 2, 3))),
    ),
    Variant(
        "mobile",
        "mobile:MobileEncoder",
        Channels((16, 16, 24, 40, 112, 320), _MOBILE, (3,), _MOBILE_MATTING, (16, 16, 1), head_sees_e0=True),
        about="small, quick and bundled",
        global_bound=480,
        second_look=(0.02, 0.01),
        bundled_file="p3m_mobile.safetensors",
        bundled_sha256="943acd2d5c3f87d77af508aef00fe079dbb80534cc71f46431d10a67ba4947ec",
        # The rounding of these thin layers adds up to several 1/255 in hair. The matting decoder and the layer that
        # computes e0 do most of the work; except in the decoder's first and last layers, their rounding does not show.
        exact=("encoder.stem.0", "encoder.backbone", "segmentation", "matting.d4", "matting.head.1", "matting.head.2"),
    ),
)
_BY_NAME = {variant.name: variant for variant in _VARIANTS}


def list_models() -> list[str]:
    """List the names that :func:`create_model` accepts."""
    return list(_BY_NAME)


def get_variant(name: str) -> Variant:
    """Look up a variant by its name, in upper or lower case.

    Raises:
        ValueError: the name is not one of :func:`list_models`.
    """
    try:
        return _BY_NAME[name.lower()]
    except KeyError:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(_BY_NAME)}") from None


def known_digests() -> dict[str, str]:
    """Return the SHA-256 of every weights file that is pinned: file name -> digest."""
    files = [(v.bundled_file, v.bundled_sha256) for v in _VARIANTS]
    files += [(v.published_file, v.published_sha256) for v in _VARIANTS]
    return {file: digest for file, digest in files if file and digest}


def create_model(name: str | Variant) -> "P3MNet":
    """Build a network with random weights, in training mode, on the CPU.

    Args:
        name: "resnet34" (38.97 M parameters), "vitae-s" (26.95 M) or "mobile" (4.3 M), in any case; or an
            entry of the registry itself.

    Returns:
        The network; load weights by :func:`~..checkpoints.weights.load_weights`.

    Raises:
        ValueError: the name is unknown.
    """
    from .network import P3MNet

    # Ikomia may load this module a second time, and a variant of the first is no Variant of the second.
    variant = get_variant(name) if isinstance(name, str) else name
    module, _, encoder = variant.encoder.partition(":")
    build = getattr(import_module(f".encoders.{module}", __package__), encoder)
    return P3MNet(build(), variant.channels)
