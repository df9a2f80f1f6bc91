from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn import draw_portrait

import training
from training.augment import Batch
from training.config import Config
from training.contact_sheet import contact_sheet, first_step, main


def test_samples_lie_side_by_side():
    image = torch.stack([torch.full((3, 4, 6), value / 10) for value in range(4)])
    batch = Batch(image, torch.ones(4, 1, 4, 6), torch.ones(4, 4, 6, dtype=torch.int64), torch.zeros(4, 1, 4, 6))
    sheet = contact_sheet(batch, columns=3)
    assert sheet.shape == (8, 3 * 3 * 6, 3)
    assert sheet[0, 0, 0] == 0
    assert sheet[0, 18, 0] == round(0.1 * 255)
    assert sheet[0, 6, 0] == 255
    assert sheet[0, 12, 0] == 128
    assert sheet[4, 0, 0] == round(0.3 * 255)
    assert sheet[4:, 18:].max() == 0


def test_a_sheet_of_a_configuration_is_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "train").mkdir()
    portrait = draw_portrait(0)
    for index in range(3):
        image = np.dstack([portrait.photo()[..., ::-1], portrait.alpha])
        cv2.imwrite(str(tmp_path / "train" / f"p_{index}.png"), image)
    config = tmp_path / "small.toml"
    config.write_text(
        'model = "mobile"\nseed = 1\nencoder_lr = 1e-4\ndecoder_lr = 1e-3\nweight_decay = 0.0\nwarmup = 1\nema = 0.9\n'
        "aspects = [1.0]\n[[stages]]\nsteps = 2\n[stages.mattes]\nsize = 64\ncount = 4\nstrands = 1.0\n"
    )
    arguments = ["--data", tmp_path, "--config", config, "--output", tmp_path / "sheet.png", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["contact_sheet", *map(str, arguments)])
    main()
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (128, 3 * 3 * 64, 3)
    monkeypatch.setattr("sys.argv", ["contact_sheet", *map(str, arguments), "--part", "views"])
    with pytest.raises(SystemExit):
        main()
    assert "has no views" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["views", "mattes"])
def test_the_bundled_configuration_has_samples_of_both_kinds(part):
    config = Config.read(Path(training.__file__).with_name("mobile.toml"))
    step = first_step(config, part)
    assert getattr(config.stage_at(step)[0], part) is not None
    assert step == 0 or getattr(config.stage_at(step - 1)[0], part) is None
