"""Charts one after the other, as a GIF or an MP4."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence

from PIL import Image

from explorer.render.drawing import Drawing
from explorer.render.export.composed import save_drawing

ANIMATION_FORMATS = {"GIF": "image/gif", "MP4": "video/mp4"}
SECONDS, HOLD = 0.12, 1.5  # that a frame is shown, and the last one longer
MOST_FRAMES = 40  # frames: each takes as long as a figure


def frame_indices(count: int) -> list[int]:
    """The indices of so many pictures that become frames: evenly spread, both ends included."""
    if count <= MOST_FRAMES:
        return list(range(count))
    return [round(n * (count - 1) / (MOST_FRAMES - 1)) for n in range(MOST_FRAMES)]


def animation(
    draw: Callable[[int], Drawing],
    frames: Sequence[int],
    format: str,
    *,
    width_inches: float = 6.5,
    dpi: int = 100,
    seconds: float = SECONDS,
    hold: float = HOLD,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> bytes:
    """The charts of these frames, the last one held a while.

    Args:
        draw: makes the drawing of a frame; all must have the same size.
        frames: in their order.
        format: "GIF", which repeats, or "MP4" (H.264, which papers and slides play).
        width_inches: of the picture, with `dpi` its width in pixels.
        dpi: dots per inch.
        seconds: that a frame is shown.
        hold: seconds that the last one is shown longer.
        tell: called with how many frames are drawn of how many; what it raises ends the work.

    Raises:
        ValueError: another format, or no frames.
    """
    pngs = (save_drawing(draw(frame), "png", width_inches, dpi) for frame in frames)
    return joined_pictures(pngs, len(frames), format, seconds=seconds, hold=hold, tell=tell)


def joined_pictures(
    pngs: Iterable[bytes],
    count: int,
    format: str,
    *,
    seconds: float = SECONDS,
    hold: float = HOLD,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> bytes:
    """Pictures one after the other; as `animation`.

    Args:
        pngs: the pictures.
        count: of them.
        format: see `animation`.
        seconds: that each is shown.
        hold: seconds that the last one is shown longer.
        tell: see `animation`.

    Raises:
        ValueError: another format, or no pictures.
    """
    if format not in ANIMATION_FORMATS or not count:
        format_names = " or ".join(ANIMATION_FORMATS)
        raise ValueError(f"an animation needs frames and {format_names}, got {count}, {format!r}")

    def images() -> Iterator[Image.Image]:
        for done, image in enumerate(_frame_images(pngs), 1):
            yield image
            tell(done, count)

    return (_gif_bytes if format == "GIF" else _mp4_bytes)(images(), seconds, hold)


def _frame_images(pngs: Iterable[bytes]) -> Iterator[Image.Image]:
    """Each picture in the size of the first, cut to even numbers as H.264 wants them."""
    size = None
    for png in pngs:
        image = Image.open(io.BytesIO(png)).convert("RGB")
        size = size or (image.width // 2 * 2, image.height // 2 * 2)
        yield image.crop((0, 0, *size))


def _gif_bytes(images: Iterator[Image.Image], seconds: float, hold: float) -> bytes:
    first, *others = (image.quantize(256, dither=Image.Dither.NONE) for image in images)
    durations = [round(1000 * seconds)] * len(others) + [round(1000 * hold)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return file.getvalue()


def _mp4_bytes(images: Iterator[Image.Image], seconds: float, hold: float) -> bytes:
    import av  # a while to load, and only here

    file = io.BytesIO()
    rate = max(1, round(1 / seconds))
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(_hold_last(images, round(hold * rate))):
            if not number:
                stream.width, stream.height = image.size
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return file.getvalue()


def _hold_last(images: Iterator[Image.Image], times: int) -> Iterator[Image.Image]:
    """The images, the last one so many times more."""
    for image in images:
        yield image
    for _ in range(times):
        yield image
