"""What the parameter form says about the values of its lists, and how it names them."""

from infer_p3m_portrait_matting.pipeline.settings import ALL, BLUR, BOX, IMAGE, LARGEST, TRANSPARENT

MODEL_NOTES = {
    "resnet34": "ResNet-34, as published: good and fast. Needs the published weights.",
    "vitae-s": "ViTAE-S, as published: the most accurate. Needs the published weights.",
    "mobile": "Small and quick; its weights ship with the plugin.",
}
METHOD_NOTES = {
    "HYBRID": "Finds the person in a copy of half the size, and the edges at the input size: finest hair.",
    "RESIZE": "One pass, at half the photo's size and at most the input size: faster, often with softer edges.",
}
PRECISION_NOTES = {
    "auto": "Half precision where the processor or the GPU computes it itself, float32 elsewhere.",
    "float32": "Single precision: slower, and the same numbers on every processor.",
    "bfloat16": "Half precision, even where it is slow.",
}
FOREGROUND_NOTES = {
    "estimated": "The person's own colours: no old background shines through hair.",
    "original": "The photo's colours as they are.",
}
ANONYMIZE_NOTES = {
    "none": "Faces stay as they are.",
    "blur": "Faces become a smooth blur, in the composite and the cut-out.",
    "pixelate": "Faces become large squares, in the composite and the cut-out.",
}
CUDA_NOTES = {
    "auto": "On an NVIDIA GPU if there is one, otherwise on the processor.",
    "True": "On an NVIDIA GPU; a warning says when there is none, and the processor computes.",
    "False": "On the processor.",
}
CUDA_SHOWN = {"auto": "NVIDIA GPU, if there is one", "True": "NVIDIA GPU", "False": "processor"}
SUBJECT_NOTES = {
    ALL: "Everybody that the network finds; it was trained on portraits of one person.",
    BOX: "The person in a rectangle: drawn on the photo, or given in numbers.",
    LARGEST: "The person with the largest face.",
}
SUBJECT_SHOWN = {ALL: "all", BOX: "the one in a box", LARGEST: "the one with the largest face"}
COLOR = "colour"
BACKGROUND_NOTES = {
    COLOR: "One colour.",
    TRANSPARENT: "None: the composite has alpha, like the cut-out.",
    BLUR: "The photo's own background, out of focus.",
    IMAGE: "A picture: from the file below, or from the second image input.",
}

#: The sections that fold.
MATTE, ADVANCED = "Adjust the matte", "Advanced"
SECTION_NOTES = {
    MATTE: "Invert, soften, grow or shrink the matte, drop islands, crop to the person",
    ADVANCED: "Method, size, computation, weights, colours, video",
}
