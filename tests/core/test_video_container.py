"""Which files count as videos: containers, by their content, and nothing that names other files."""

import av
import numpy as np
import pytest
from PIL import Image, features
from videos import make_video

from infer_p3m_portrait_matting.p3m.video.container import is_video_file
from infer_p3m_portrait_matting.p3m.video.reader import VideoReader

PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile bob.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nbob.mp4\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_text_that_names_other_files_is_no_video(kind, tmp_path):
    make_video(tmp_path / "bob.mp4")
    (tmp_path / "alice.mp4").write_text(PLAYLISTS[kind])
    (tmp_path / "alice").write_text(PLAYLISTS[kind])
    with pytest.raises(ValueError, match=r"alice\.mp4 cannot be read as a video: it is damaged, or in a format"):
        VideoReader(tmp_path / "alice.mp4")
    assert not is_video_file(tmp_path / "alice")


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
@pytest.mark.parametrize("kind", ["mxf", "vob", "mpegts", "mov", "3g2", "matroska", "avi", "asf", "flv"])
def test_a_video_is_known_by_its_content(kind, codec, tmp_path):
    codec = {"flv": "flv1", "mxf": "mpeg2video", "3g2": "mpeg4"}.get(kind, codec)
    for path in (tmp_path / "clip", tmp_path / "clip.mod"):
        with av.open(str(path), "w", format=kind) as container:
            stream = container.add_stream(codec, rate=25)
            stream.height, stream.width, stream.pix_fmt = 128, 128, "yuv420p"
            for level in range(10):
                grey = np.full((128, 128, 3), 20 * level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
            container.mux(stream.encode(None))
        assert is_video_file(path)
        with VideoReader(path) as reader:
            assert len(list(reader.read())) == 10


def test_pictures_sound_and_texts_are_no_videos(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    kinds = ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", *(["AVIF"] if features.check("avif") else [])]
    for kind in kinds:
        picture.save(tmp_path / kind, kind)
        if kind not in ("JPEG", "BMP"):
            picture.save(tmp_path / f"{kind}s", kind, save_all=True, append_images=[picture.rotate(90)])
    (tmp_path / "text").write_text("no video\n" * 200)
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(20000))
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    with av.open(str(tmp_path / "sound"), "w", format="mov") as container:
        audio = container.add_stream("aac", rate=48000, layout="mono")
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
        heard.sample_rate = 48000
        container.mux(audio.encode(heard))
        container.mux(audio.encode(None))
    for path in (*tmp_path.iterdir(), tmp_path / "missing"):
        assert not is_video_file(path), path


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_animations_are_read_as_videos(kind, tmp_path):
    first, *others = [Image.new("RGB", (64, 48), (60 * i, 0, 0)) for i in range(4)]
    path = tmp_path / f"in.{kind.lower()}"
    first.save(path, kind, save_all=True, append_images=others, duration=100)
    with VideoReader(path) as reader:
        frames = list(reader.read())
    assert [frame.image[0, 0].tolist() for frame in frames] == [[60 * i, 0, 0] for i in range(4)]
    assert [float(frame.time) for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_notes_in_another_encoding_are_no_obstacle(tmp_path):
    with av.open(str(tmp_path / "in.avi"), "w") as container:
        container.metadata["title"] = "a Caf* at night"
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    content = (tmp_path / "in.avi").read_bytes()
    assert content.count(b"Caf*") == 1
    (tmp_path / "in.avi").write_bytes(content.replace(b"Caf*", "Café".encode("latin-1")))
    with VideoReader(tmp_path / "in.avi") as reader:
        assert len(list(reader.read())) == 3
