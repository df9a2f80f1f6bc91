"""The Ikomia task: it adapts images, parameters and ports, and leaves the matting to the core."""

import copy
import logging
from collections.abc import Collection
from contextlib import suppress

import numpy as np
from ikomia import core, dataprocess, utils

from infer_p3m_portrait_matting.p3m import PortraitMatting, __version__
from infer_p3m_portrait_matting.p3m.arrays import check_image
from infer_p3m_portrait_matting.pipeline.out_of_memory import clear_memory_errors
from infer_p3m_portrait_matting.pipeline.pipeline import Pipeline
from infer_p3m_portrait_matting.pipeline.settings import IMAGE, Settings
from infer_p3m_portrait_matting.pipeline.video import Video
from infer_p3m_portrait_matting.plugin import ikomia_frames
from infer_p3m_portrait_matting.plugin.guide_ports import read_ports
from infer_p3m_portrait_matting.plugin.openmp import all_threads
from infer_p3m_portrait_matting.plugin.outputs import (
    DESCRIPTIONS,
    LosslessImageIO,
    Results,
    name_video_outputs,
    without_alpha,
)

logger = logging.getLogger("infer_p3m_portrait_matting")

NAME = "infer_p3m_portrait_matting"

#: Input ports.
PHOTO, BACKGROUND = 0, 2


class InferP3mPortraitMattingParam(core.CWorkflowTaskParam):
    """The task's parameters; ``settings`` is always a complete, checked set."""

    def __init__(self) -> None:
        core.CWorkflowTaskParam.__init__(self)
        self.settings = Settings()

    def set_values(self, params: dict[str, str]) -> None:
        """Take strings from Ikomia; on an error nothing changes.

        An unknown name is an error when a caller gives it, but only a WARNING when a workflow file holds it: a newer
        version of this plugin may have written the file.

        Raises:
            ValueError: a name is unknown, or a value cannot be read or is out of range.
        """
        given = ikomia_frames.names_in_call()
        Settings.refuse_unknown(given)
        self.settings = Settings.from_strings({name: params[name] for name in Settings.names() if name in params})
        unknown = Settings.unknown({*params, *ikomia_frames.names_in_file(NAME)})
        if unknown:
            _warn(f"the workflow has parameters that version {__version__} does not know: {', '.join(unknown)}")
        self.warn_of_idle(given)

    def warn_of_idle(self, names: Collection[str]) -> None:
        """Log a WARNING for each of the names whose parameter is set but changes nothing beside the others."""
        for name, needed in self.settings.without_effect(names).items():
            _warn(f"{name} has no effect without {needed}")

    def get_values(self) -> dict[str, str]:
        """Return all parameters as strings."""
        return self.settings.to_strings()


class _Stopped(Exception):
    """stop() was called during a run."""


class InferP3mPortraitMatting(dataprocess.C2dImageTask):
    """Matte a portrait: take an image, give a composite, a matte and a cut-out.

    Inputs: 0 the photo; 1 graphics: the box for the subject "box", and strokes; 2 an image, read for the background
    "image"; 3 a mask or a trimap; 4 an instance segmentation; 5 a semantic segmentation. Outputs: 0
    "composite" (RGB uint8 [H, W, 3], the person on the background), 1 "matte" (uint8 [H, W], 0 to 255), 2 "cutout"
    (RGBA uint8 [H, W, 4], straight alpha).
    """

    def __init__(self, name: str, param: InferP3mPortraitMattingParam | None) -> None:
        dataprocess.C2dImageTask.__init__(self, name)
        self.remove_output(0)
        background = dataprocess.CImageIO(core.IODataType.IMAGE, "background")
        background.description = 'Image behind the person, for the background "image"'
        self.add_input(background)
        # An input of the type IMAGE would get the photo: Ikomia connects what fits by itself.
        guide = dataprocess.CImageIO(core.IODataType.IMAGE_BINARY, "guide")
        guide.description = "Mask of the person, or trimap: 0 background, 255 person, another value unknown"
        instances, classes = dataprocess.CInstanceSegmentationIO(), dataprocess.CSemanticSegmentationIO()
        instances.name, instances.description = "instances", "Instance segmentation; its persons are taken as a mask"
        classes.name, classes.description = "classes", "Semantic segmentation; its persons are taken as a mask"
        for port in (guide, instances, classes):
            self.add_input(port)
        self._results = Results()
        for output in self._new_outputs():
            self.add_output(output)
        self.set_param_object(InferP3mPortraitMattingParam() if param is None else copy.deepcopy(param))
        self._pipeline: Pipeline | None = None
        self._stopping = False
        #: The video of the last frame, with its file and the frame's number.
        self._video: tuple[Video, str, int] | None = None

    @property
    def failures(self) -> dict[str, str]:
        """Return the photos that could not be matted or saved, file to message: Ikomia skips them in a folder."""
        return self._results.failures

    @property
    def session(self) -> PortraitMatting | None:
        """Return the model of the last run; its ``model_name``, ``weights`` and ``device`` say what really ran."""
        return None if self._pipeline is None else self._pipeline.model

    def get_progress_steps(self) -> int:
        """Count one step per pass through the network and one for the pictures."""
        return 3 if self._settings().method == "HYBRID" else 2

    def set_parameters(self, values: dict[str, object]) -> None:
        """Change parameters; typed values (1024, True) are fine.

        Raises:
            ValueError: a parameter is unknown, or a value is out of range; nothing is changed then.
        """
        strings = {name: str(value) for name, value in values.items()}
        # Check here as well as in set_values: an error raised there reaches the user wrapped in a traceback.
        Settings.from_strings({**self.get_param_object().get_values(), **strings})
        super().set_parameters(strings)
        self.get_param_object().warn_of_idle(values.keys())

    def init_long_process(self) -> bool:
        """Load the model, unless a run has done so."""
        if self._pipeline is None:
            self._open()
        return super().init_long_process()

    def stop(self) -> None:
        """Stop the run after the current pass; its outputs stay empty."""
        super().stop()
        self._stopping = True

    def run(self) -> None:
        """Matte the input image.

        Raises:
            ValueError, TypeError, FileNotFoundError, RuntimeError: the message says what was wrong and what to do.
        """
        source = self.get_input(PHOTO).source_file_path
        step = ikomia_frames.step_of_folder()
        # In a folder, this is Ikomia's current file. Input 0 may hold another one, which is a failure.
        key = step.file if step and step.input > 0 else source
        try:
            self._refuse_another_input(step)
            self._run(source)
        except BaseException as error:
            self.failures[key] = str(error) or type(error).__name__
            raise
        self.failures.pop(key, None)
        outputs = [self.get_output(index) for index in range(self.get_output_count())]
        unsaved = {output.name for output in outputs if isinstance(output, LosslessImageIO) and output.auto_save}
        if not self._stopping:
            self._results.expect(source, unsaved, self.output_folder)

    def _run(self, source: str) -> None:
        self._stopping = False
        image = self._image()
        background = self._background(image)
        height, width = image.shape[:2]
        with clear_memory_errors(height, width, self._settings().input_size):
            pipeline = self._open()
        # Raise every known failure here: after begin_task_run, Ikomia makes the message of an error unreadable.
        found = read_ports([self.get_input(i) for i in range(6)], height, width, self._settings())
        try:
            photo = pipeline.prepare(
                image,
                self._name(source),
                boxes=found.boxes,
                background=background,
                video=self._current_video(),
                guide=found.guide,
                person=found.person,
                before_look=self._end_if_stopped,
            )
        except _Stopped:
            return
        self._restore_outputs()
        if self._is_moving():
            name_video_outputs([self.get_output(index) for index in range(3)])
        self.begin_task_run()
        owner = self._results.new_owner(source)
        with suppress(_Stopped):
            # Make all pictures first, so that a failure leaves every output as it was.
            with all_threads():
                result = pipeline.make(photo, after_pass=self._after_pass, before_look=self._end_if_stopped)
            for warning in found.warnings + result.warnings:
                _warn(warning)
            for index, picture in enumerate((result.composite, result.matte, result.cutout)):
                assert picture is not None, "all pictures are wanted"
                output = self.get_output(index)
                output.set_image(without_alpha(picture) if self._is_moving() else picture)
                output.source, output.owner = source, owner
            self.emit_step_progress()
        self.end_task_run()

    def _new_outputs(self) -> list[LosslessImageIO]:
        image, binary = core.IODataType.IMAGE, core.IODataType.IMAGE_BINARY
        return [
            LosslessImageIO(binary if name == "matte" else image, name, description, self._results, self.name)
            for name, description in DESCRIPTIONS.items()
        ]

    def _restore_outputs(self) -> None:
        """Restore our outputs where Ikomia has replaced them with its own, as it does for a video."""
        if self._is_moving():
            return
        for index, output in enumerate(self._new_outputs()):
            foreign = self.get_output(index)
            if not isinstance(foreign, LosslessImageIO):
                output.auto_save = foreign.auto_save
                self.set_output(output, index)

    def _refuse_another_input(self, step: ikomia_frames.FolderStep | None) -> None:
        """Refuse an input left from an earlier run in place of the folder's file: Ikomia appends inputs."""
        remedy = "make a new Workflow for each folder"
        port = self.get_input(PHOTO)
        if not hasattr(port, "get_image"):
            raise ValueError(f"input 0 still holds the folder of an earlier run, not a photo: {remedy}")
        if step is None or step.input == 0 or not port.is_data_available():
            return
        first = step.workflow.get_input(0)
        if not hasattr(first, "get_image") or port.source_file_path != first.source_file_path:
            return
        if port.source_file_path != step.file and np.array_equal(first.get_image(), port.get_image()):
            raise ValueError(f"input 0 still holds the photo of an earlier run, not {step.file}: {remedy}")

    def _settings(self) -> Settings:
        return self.get_param_object().settings

    def _open(self) -> Pipeline:
        """Load what the parameters ask for; log each substitute once, not for every photo."""
        known = self._pipeline.substitutes.keys() if self._pipeline else ()
        self._pipeline = Pipeline(self._settings(), f"{utils.get_model_hub_url()}/{NAME}")
        for subject, substitute in self._pipeline.substitutes.items():
            if subject in known:
                continue
            if substitute.warning:
                _warn(substitute.warning)
            if substitute.text != substitute.warning:
                logger.info("infer_p3m_portrait_matting: %s", substitute.text)
        return self._pipeline

    def _image(self) -> np.ndarray:
        port = self.get_input(PHOTO)
        image = port.get_image()
        if image is None or image.size == 0:
            name = port.source_file_path
            which = f"the file {name} could not be read as an image" if name else "input 0 (the image) is empty"
            raise ValueError(f"{which}: give the task a photo")
        check_image(image)
        return image

    def _background(self, image: np.ndarray) -> np.ndarray | None:
        """Return the picture on the port for backgrounds, where the parameters ask for it."""
        settings = self._settings()
        if settings.background != IMAGE or settings.background_path() is not None:
            return None
        port = self.get_input(BACKGROUND)
        background = port.get_image()
        how = f"connect another picture to input {BACKGROUND} (background), or set background_file"
        if background is None or background.size == 0:
            raise ValueError(f'background is "image", but input {BACKGROUND} (background) is empty: {how}')
        check_image(background)
        # Ikomia connects matching ports by itself, and one picture matches both image inputs. The file name does not
        # tell them apart: Ikomia passes it on to pictures that other tasks made from the file.
        if np.array_equal(background, image):
            raise ValueError(f'background is "image", but input {BACKGROUND} (background) gets the photo itself: {how}')
        return background

    def _is_moving(self) -> bool:
        return self.get_input(PHOTO).data_type in (core.IODataType.VIDEO, core.IODataType.LIVE_STREAM)

    def _name(self, source: str) -> str:
        """Return the name that messages use for the current picture."""
        frame = f"frame {self.get_input(PHOTO).get_current_pos()} of " if self._is_moving() else ""
        return frame + (source or "the photo")

    def _current_video(self) -> Video | None:
        """Return the video of the current frame, a new one unless the frame follows the last one; None for a photo."""
        last, self._video = self._video, None
        if not self._is_moving():
            return None
        port = self.get_input(PHOTO)
        source, position = port.source_file_path, port.get_current_pos()
        is_stream = port.data_type == core.IODataType.LIVE_STREAM
        follows = last is not None and (is_stream or last[1:] == (source, position - 1))
        video = last[0] if last is not None and follows else Video()
        self._video = video, source, position
        return video

    def _end_if_stopped(self) -> None:
        if self._stopping:
            raise _Stopped

    def _after_pass(self) -> None:
        self._end_if_stopped()
        self.emit_step_progress()


def _warn(text: str) -> None:
    logger.warning("infer_p3m_portrait_matting: %s", text)


class InferP3mPortraitMattingFactory(dataprocess.CTaskFactory):
    """Makes tasks, and says what Ikomia STUDIO and the HUB show about them."""

    def __init__(self) -> None:
        dataprocess.CTaskFactory.__init__(self)
        info = self.info
        info.name = NAME
        info.short_description = "Portrait matting that keeps hair and privacy: matte, cut-out and composite by P3M-Net"
        info.path = "Plugins/Python/Matting"
        info.version = __version__
        info.min_ikomia_version = "0.15.0"
        info.min_python_version = "3.10"
        info.icon_path = "icon.png"
        info.authors = "Sihan Ma, Jizhizi Li, Jing Zhang, He Zhang, Dacheng Tao"
        info.article = "Rethinking Portrait Matting with Privacy Preserving"
        info.article_url = "https://arxiv.org/abs/2203.16828"
        info.journal = "International Journal of Computer Vision"
        info.year = 2023
        info.license = "MIT License"
        info.documentation_link = "https://github.com/Ikomia-hub/infer_p3m_portrait_matting#readme"
        info.repository = "https://github.com/Ikomia-hub/infer_p3m_portrait_matting"
        info.original_repository = "https://github.com/ViTAE-Transformer/P3M-Net"
        info.keywords = "portrait, matting, alpha, matte, hair, background removal, privacy, P3M, ResNet, ViTAE"
        info.algo_type = core.AlgoType.INFER
        info.algo_tasks = "IMAGE_MATTING"
        # Peak memory of a run is 1 to 2.5 GB, with Ikomia and Python; see benchmarks/.
        info.hardware_config.min_cpu = 2
        info.hardware_config.min_ram = 4
        info.hardware_config.gpu_required = False
        info.hardware_config.min_vram = 0

    def create(self, param: InferP3mPortraitMattingParam | None = None) -> InferP3mPortraitMatting:
        """Make a task."""
        return InferP3mPortraitMatting(self.info.name, param)


class InferP3mPortraitMattingParamFactory(dataprocess.CTaskParamFactory):
    """Makes parameters: ``wf.add_task(name, params={...})`` needs it."""

    def __init__(self) -> None:
        dataprocess.CTaskParamFactory.__init__(self)
        self.name = NAME

    def create(self) -> InferP3mPortraitMattingParam:
        """Make a default set of parameters."""
        return InferP3mPortraitMattingParam()
