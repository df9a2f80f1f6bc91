"""The ports that lead the matting, in real workflows: masks, trimaps, segmentations, drawn strokes."""

import cv2
import numpy as np
import pytest
from groups import cut_out, group
from ikomia_plugin import Workflow, core, dataprocess, outputs, warnings, workflow_with
from videos import make_video

from infer_p3m_portrait_matting.p3m import PortraitMatting, to_uint8, trimap_of_mask
from infer_p3m_portrait_matting.p3m.imaging.guide import DECIDE

SIZE = 256
SMALL = {"model_name": "mobile", "cuda": "False", "input_size": str(SIZE)}


@pytest.fixture(scope="module")
def net():
    return PortraitMatting("mobile", "cpu")


@pytest.fixture(scope="module")
def photo(astronaut):
    return np.ascontiguousarray(astronaut[:320, 64:352])


@pytest.fixture(scope="module")
def mask(photo):
    mask = np.zeros(photo.shape[:2], np.uint8)
    cv2.ellipse(mask, (140, 230), (90, 180), 0, 0, 360, 255, -1)
    return mask


class Segmenter:
    """Tasks that find what they are told."""

    class Binary(dataprocess.C2dImageTask):
        """Gives the photo, and a binary mask."""

        def __init__(self, found) -> None:
            dataprocess.C2dImageTask.__init__(self, "binary")
            self.found = found
            self.add_output(dataprocess.CImageIO(core.IODataType.IMAGE_BINARY, "mask"))

        def run(self) -> None:
            self.begin_task_run()
            self.forward_input_image(0, 0)
            self.get_output(1).set_image(self.found)
            self.end_task_run()

    class Instances(dataprocess.CInstanceSegmentationTask):
        """Gives objects: label and mask."""

        def __init__(self, found) -> None:
            dataprocess.CInstanceSegmentationTask.__init__(self, "instances")
            self.found = found

        def run(self) -> None:
            self.begin_task_run()
            self.forward_input_image(0, 0)
            names = sorted({label for label, _ in self.found})
            self.set_names(names)
            for index, (label, mask) in enumerate(self.found):
                box = [float(number) for number in cv2.boundingRect(mask)]
                self.add_object(index, 0, names.index(label), 0.9, *box, mask)
            self.end_task_run()

    class Classes(dataprocess.CSemanticSegmentationTask):
        """Gives the names of classes, and their indices as a picture."""

        def __init__(self, found) -> None:
            dataprocess.CSemanticSegmentationTask.__init__(self, "classes")
            self.found = found

        def run(self) -> None:
            self.begin_task_run()
            self.forward_input_image(0, 0)
            self.set_names(self.found[0])
            self.set_mask(self.found[1])
            self.end_task_run()


def chain(kind, found, image, **parameters):
    """Run a photo through a segmentation and our task, connected by Ikomia; return the workflow, and our task."""
    wf = Workflow()
    segmenter = kind(found)
    segmenter.set_param_object(core.CWorkflowTaskParam())
    wf.add_task(task=segmenter, auto_connect=True)
    matting = wf.add_task(name="infer_p3m_portrait_matting", auto_connect=True)
    matting.set_parameters({**SMALL, **parameters})
    wf.run_on(array=image)
    # The workflow does not keep a task of Python alive.
    return (wf, segmenter), matting


def expected(net, image, **guide) -> np.ndarray:
    return to_uint8(net.matte(image, input_size=SIZE, **guide))


def test_the_ports_have_names_and_are_empty_by_default(net, photo):
    wf, task = workflow_with(input_size=SIZE)
    names = [task.get_input(i).name for i in range(2, task.get_input_count())]
    assert names == ["background", "guide", "instances", "classes"]
    wf.run_on(array=photo)
    assert not any(task.get_input(i).is_data_available() for i in range(1, 6))
    np.testing.assert_array_equal(outputs(task)[1], expected(net, photo))


def test_a_binary_mask_connects_by_itself(net, photo, mask):
    _, matting = chain(Segmenter.Binary, mask, photo)
    np.testing.assert_array_equal(outputs(matting)[1], expected(net, photo, mask=mask))
    assert matting.get_output(0).get_image().shape == photo.shape
    _, matting = chain(Segmenter.Binary, mask, photo, band="20")
    np.testing.assert_array_equal(outputs(matting)[1], expected(net, photo, mask=mask, band=20))


def test_a_task_of_ikomia_leads_the_matting(net, photo):
    """Ikomia's own threshold gives the mask, of a grey photo."""
    photo = np.ascontiguousarray(photo[..., 0])
    wf = Workflow()
    threshold = wf.add_task(name="ocv_threshold", auto_connect=True)
    threshold.set_parameters({"threshold": "100"})
    matting = wf.add_task(name="infer_p3m_portrait_matting")
    matting.set_parameters(SMALL)
    wf.connect_tasks(wf.root(), matting, [(0, 0)])
    wf.connect_tasks(threshold, matting, [(0, 3)])
    wf.run_on(array=photo)
    mask = threshold.get_output(0).get_image()
    assert mask.shape == photo.shape
    assert 0.1 < (mask > 0).mean() < 0.9
    np.testing.assert_array_equal(outputs(matting)[1], expected(net, photo, mask=mask))


def test_a_mask_or_a_trimap_as_an_input_of_the_workflow(net, photo, mask):
    trimap = trimap_of_mask(mask, *mask.shape, band=15)
    trimap[trimap == 128] = 99
    for picture, guide in ((mask, {"mask": mask}), (trimap, {"trimap": trimap}), (mask // 255, {"mask": mask})):
        known = dataprocess.CImageIO(core.IODataType.IMAGE_BINARY, "known")
        known.set_image(picture)
        wf = Workflow()
        wf.set_image_input(array=photo, index=0)
        wf.add_input(known)
        matting = wf.add_task(name="infer_p3m_portrait_matting", auto_connect=True)
        matting.set_parameters(SMALL)
        wf.run()
        np.testing.assert_array_equal(outputs(matting)[1], expected(net, photo, **guide))


def test_a_semantic_segmentation_gives_its_persons(net, photo, mask):
    labels = np.where(mask > 0, np.uint8(2), np.uint8(1))
    _, matting = chain(Segmenter.Classes, (["background", "sofa", "person"], labels), photo)
    np.testing.assert_array_equal(outputs(matting)[1], expected(net, photo, mask=mask))


def test_a_segmentation_that_knows_no_people_is_refused(photo, mask):
    with pytest.raises(RuntimeError, match=r"input 5 \(classes\) has no class person, only background, sofa: connect"):
        chain(Segmenter.Classes, (["background", "sofa"], mask // 255), photo)


@pytest.fixture(scope="module")
def pair(mobile, astronaut):
    """Two people, the left one larger; what each covers; and a dog above everything."""
    image, mattes = group(cut_out(mobile, astronaut), 2, 20)
    masks = [(matte > 0.5).astype(np.uint8) for matte in mattes]
    dog = np.zeros_like(masks[0])
    dog[:40] = 1
    return image, masks, [("person", masks[0]), ("dog", dog), ("person", masks[1] * 255)]


def share(matte, mask) -> float:
    return float((matte / 255 * mask).sum() / mask.sum())


def test_an_instance_segmentation_gives_all_persons_and_draws_no_strokes(net, pair):
    image, masks, found = pair
    _, matting = chain(Segmenter.Instances, found, image)
    assert matting.get_input(1).get_items()
    wanted = expected(net, image, mask=np.maximum(*masks))
    np.testing.assert_array_equal(outputs(matting)[1], wanted)


@pytest.mark.parametrize(("which", "parameters"), [(0, {"subject": "largest"}), (1, {"subject": "box"})])
def test_one_object_of_an_instance_segmentation(pair, which, parameters):
    image, masks, found = pair
    if "box" in parameters.values():
        parameters["box"] = ",".join(map(str, cv2.boundingRect(masks[which])))
    _, matting = chain(Segmenter.Instances, found, image, **parameters)
    matte = outputs(matting)[1]
    assert share(matte, masks[which]) > 0.97
    assert share(matte, masks[1 - which]) < 0.01
    assert matte[:20].max() == 0


@pytest.mark.parametrize("subject", ["all", "largest"])
def test_an_instance_segmentation_without_a_person(pair, caplog, subject):
    image, _, found = pair
    _, matting = chain(Segmenter.Instances, found[1:2], image, subject=subject)
    assert outputs(matting)[1].max() == 0
    assert warnings(caplog, r"input 5") == []
    assert len(warnings(caplog, "input 4 (instances) holds no person, only dog")) == 1
    assert len(warnings(caplog, "nobody was found")) == 1


def test_an_instance_segmentation_that_found_nothing(pair, caplog):
    _, matting = chain(Segmenter.Instances, [], pair[0])
    assert outputs(matting)[1].max() == 0
    assert len(warnings(caplog, "nobody was found")) == 1


def drawn(image, *items, **parameters) -> np.ndarray:
    graphics = dataprocess.CGraphicsInput("drawn")
    graphics.set_items(list(items))
    wf, task = workflow_with(**{**SMALL, **parameters})
    task.set_input(graphics, 1)
    wf.run_on(array=image)
    return outputs(task)[1]


def points(*pairs):
    return [core.CPointF(float(x), float(y)) for x, y in pairs]


def test_strokes_and_polygons_let_the_network_decide(net, photo):
    corners = ((20, 30), (120, 40), (90, 130))
    corrections = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(corrections, [np.array(corners)], DECIDE)
    found = drawn(photo, core.CGraphicsPolygon(points(*corners)))
    np.testing.assert_array_equal(found, expected(net, photo, corrections=corrections))
    line = ((30, 200), (60, 280), (250, 300))
    # A stroke is at least 2 % of the photo's long side wide.
    cv2.polylines(corrections, [np.array(line)], False, DECIDE, 6)
    found = drawn(photo, core.CGraphicsPolygon(points(*corners)), core.CGraphicsPolyline(points(*line)))
    np.testing.assert_array_equal(found, expected(net, photo, corrections=corrections))


def test_a_drawn_box_stays_the_box(photo):
    corners = ((60, 60), (230, 60), (230, 319), (60, 319))
    box = drawn(photo, core.CGraphicsRectangle(60.0, 60.0, 170.0, 259.0), subject="box")
    np.testing.assert_array_equal(drawn(photo, subject="box", box="60,60,170,259"), box)
    np.testing.assert_array_equal(
        drawn(photo, core.CGraphicsPolygon(points(*corners)), subject="box"),
        drawn(photo, subject="box", box="60,60,171,260"),
    )
    np.testing.assert_array_equal(drawn(photo, core.CGraphicsRectangle(0.0, 0.0, 9.0, 9.0)), drawn(photo))


def test_a_mask_that_does_not_fit_is_named(photo):
    with pytest.raises(
        RuntimeError, match="the mask is 50 x 50 px, the photo 288 x 320 px: give a picture of the photo"
    ):
        chain(Segmenter.Binary, np.full((50, 50), 255, np.uint8), photo)


def test_resize_takes_no_guide(photo, mask):
    with pytest.raises(RuntimeError, match="method RESIZE takes no trimap, mask or corrections: choose HYBRID"):
        chain(Segmenter.Binary, mask, photo, method="RESIZE")


def test_a_video_gets_a_mask_for_each_frame(tmp_path):
    make_video(tmp_path / "clip.mp4", count=3, size=(96, 128))
    wf = Workflow()
    segmenter = Segmenter.Binary(np.full((96, 128), 255, np.uint8))
    segmenter.set_param_object(core.CWorkflowTaskParam())
    wf.add_task(task=segmenter, auto_connect=True)
    matting = wf.add_task(name="infer_p3m_portrait_matting", auto_connect=True)
    matting.set_parameters(SMALL)
    wf.run_on(path=str(tmp_path / "clip.mp4"))
    assert matting.get_output(1).get_image().min() == 255
