"""Make, rewrite and read videos in tests."""

from fractions import Fraction

import av
import numpy as np

from infer_p3m_portrait_matting.p3m.files.write import give_name
from infer_p3m_portrait_matting.p3m.video.reader import VideoReader
from infer_p3m_portrait_matting.p3m.video.sound import Sound
from infer_p3m_portrait_matting.p3m.video.writers import open_writer

NTSC = Fraction(30000, 1001)

#: Times in milliseconds as a phone makes them.
UNEVEN = [0, 31, 66, 101, 133, 200, 201, 290, 334, 400, 470, 999]


def pictures(count, height, width):
    """A blue square that moves over a red and green gradient."""
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        picture = np.dstack([x * 200 // width + 20, y * 200 // height + 20, np.full_like(x, 60)]).astype(np.uint8)
        picture[height // 4 : height // 2, 4 + i : 4 + i + width // 4] = 40, 60, 220
        yield picture


def make_video(
    path,
    count=12,
    size=(48, 64),
    rate=NTSC,
    times=None,
    sound=None,
    rotation=0,
    codec="libx264",
    heard_at=48000,
    heard_for=None,
):
    """Write a video; returns the times of its frames in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "4"} if codec == "libx264" else {})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p" if not (size[0] % 2 or size[1] % 2) else "yuv444p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        audio = container.add_stream(sound, rate=heard_at, layout="stereo") if sound else None
        for i, picture in enumerate(pictures(count, *size)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if times:
                frame.pts, frame.time_base = times[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            t = np.arange(int(heard_at * (heard_for or count / rate)))
            wave = np.repeat((np.sin(t / 20) * 8000).astype(np.int16), 2)[None]
            heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="stereo")
            heard.sample_rate = heard_at
            container.mux(audio.encode(heard))
            container.mux(audio.encode(None))
    return [Fraction(t, 1000) for t in times] if times else [i / rate for i in range(count)]


def alpha_of(height, width):
    """A third transparent, a third half, a third opaque."""
    return np.repeat(np.array([0, 128, 255], np.uint8), [width // 3, width // 3, width - 2 * (width // 3)])[
        None
    ].repeat(height, 0)


def rewrite(source, target, with_alpha):
    """Write a video with alpha or without; returns the pictures."""
    written = []
    with VideoReader(source) as reader:
        writer = open_writer(target, reader)
        for piece in reader.read():
            if isinstance(piece, Sound):
                writer.write_sound(piece)
                continue
            picture = piece.image
            if with_alpha:
                picture = np.dstack([picture, alpha_of(*picture.shape[:2])])
            written.append(picture)
            writer.write(picture, piece)
        finish(writer)
    return written


def read_back(path):
    """Times, RGBA pictures and the video stream's facts, by FFmpeg's decoder for each format."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if decoder.name == "vp9":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [f for packet in container.demux(stream) for f in decoder.decode(packet if packet.size else None)]
        times = [frame.pts * stream.time_base for frame in frames]
        rgba = [
            av.video.reformatter.VideoReformatter()
            .reformat(frame, format="rgba", src_colorspace=1, src_color_range=1, dst_color_range=2)
            .to_ndarray()
            for frame in frames
        ]
        facts = stream.average_rate, frames[0].format.name
    return times, rgba, facts


def heard_in(path):
    """Name and seconds of each audio stream."""
    found = []
    with av.open(str(path)) as container:
        for stream in container.streams.audio:
            container.seek(0)
            frames = list(container.decode(stream))
            found.append((stream.codec_context.name, sum(f.samples for f in frames) / frames[0].sample_rate))
    return found


def with_damage(source, target, which, seed=0):
    """Copy a video with noise in place of some packets of its sound."""
    with av.open(str(source)) as container:
        packets = [bytes(packet) for packet in container.demux(container.streams.audio[0])]
    content, rng = source.read_bytes(), np.random.default_rng(seed)
    for number in which:
        assert content.count(packets[number]) == 1
        content = content.replace(packets[number], rng.bytes(len(packets[number])))
    target.write_bytes(content)


def write_all(writer, frames):
    """Write frames with their own pictures, and finish."""
    for frame in frames:
        writer.write(frame.image, frame)
    finish(writer)


def finish(writer):
    """Complete a video and give its files their names."""
    for name, unfinished in writer.complete().items():
        give_name(unfinished, name, replaces=True)
    writer.abandon()
