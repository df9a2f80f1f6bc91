"""Names of procedures, number formats and runtimes; they load without torch."""

#: HYBRID: trimap from a global pass at half the photo's size, alpha from a local pass at its size.
#: RESIZE: one pass at half the photo's size, whose fused alpha is enlarged. The input size bounds each pass.
METHODS = ("HYBRID", "RESIZE")

#: Number formats of the network; "auto" lets :func:`~.precision.choose_dtype` choose.
PRECISIONS = ("auto", "float32", "bfloat16", "float16")

#: What computes the network: PyTorch, or ONNX Runtime for the bundled model. "auto" lets
#: :func:`~.runtimes.choose_runtime` choose.
RUNTIMES = ("auto", "torch", "onnxruntime")


def check_guided(method: str) -> None:
    """Raise a ValueError if a method takes no guide: RESIZE has no local pass that could fill an unknown area."""
    if method != "HYBRID":
        raise ValueError(f"method {method} takes no trimap, mask or corrections: choose HYBRID")
