"""A trail as a picture: the pointer's line on a canvas of the viewport's shape, and its clicks."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from reports.sketch import Floats, Ints
from reports.thinning import Line
from reports.trail import Trail

MOST_PIXELS = 4_000_000
# Of a canvas, between its sides.
LONGEST_SHAPE = 2.5
# In pixels: a line that leaves the canvas is drawn outside too, one by one.
FAR = 20_000
SHAPE = (1280.0, 720.0)
BACKGROUND, EDGE = (255, 255, 255), (203, 213, 225)
# From slow to fast, and what clicks are drawn in.
SLOW_TO_FAST = np.array(
    [(37, 52, 148), (44, 127, 184), (65, 182, 150), (240, 170, 40), (215, 48, 31)]
)
CLICK, RAGE = (15, 23, 42), (190, 18, 60)


def png(trail: Trail, line: Line, width: int) -> bytes:
    """A picture of so many pixels' width; blue where the pointer was slow, red where it was fast.

    The fastest colour is for the p95 of the speeds between the line's points. Gaps are not joined.
    """
    across, down = shape(trail, line)
    height = round(width * min(max(down / across, 1 / LONGEST_SHAPE), LONGEST_SHAPE))
    # Drawn larger and then made smaller, which smooths the edges.
    scale = 2 if width * height <= MOST_PIXELS else 1
    image = Image.new("RGB", (width * scale, height * scale), BACKGROUND)
    draw = ImageDraw.Draw(image)
    ratio, unit = width * scale / across, scale * max(width / 1000, 0.4)
    _draw_line(draw, line, ratio, unit)
    for click in trail.clicks:
        colour, thick = (RAGE, 3 * unit) if click.rage else (CLICK, 1.5 * unit)
        where = click.x * ratio, click.y * ratio
        draw.circle(where, 7 * unit, outline=colour, width=max(round(thick), 1))
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=EDGE, width=scale)
    file = BytesIO()
    image.reduce(scale).save(file, "PNG")
    return file.getvalue()


def shape(trail: Trail, line: Line) -> tuple[float, float]:
    """Width and height (px) of the largest viewport, or where none is told, of what is drawn, and
    no less than SHAPE."""
    sizes = [(view.w, view.h) for view in trail.views if view.w and view.h]
    if sizes:
        return max(w for w, _ in sizes), max(h for _, h in sizes)
    clicks = [(click.x, click.y) for click in trail.clicks]
    right, bottom = np.array([*zip(line.x, line.y, strict=True), *clicks, SHAPE]).max(axis=0)
    return float(right), float(bottom)


def _draw_line(draw: ImageDraw.ImageDraw, line: Line, ratio: float, unit: float) -> None:
    x, y = (np.clip(axis * ratio, -FAR, FAR).tolist() for axis in (line.x, line.y))
    joined = [False, *(np.diff(line.stroke) == 0).tolist()]
    width = max(round(2 * unit), 1)
    for i, colour in enumerate(_colours(line)):
        if joined[i]:
            draw.line((x[i - 1], y[i - 1], x[i], y[i]), colour, width)
        # Round ends and bends; and all that is to be seen of a sample that stands alone.
        draw.circle((x[i], y[i]), (width - 1) / 2, colour)


def _colours(line: Line) -> list[tuple[int, ...]]:
    """Of the way to each point."""
    inside = np.diff(line.stroke) == 0
    speed = np.zeros(len(line.t))
    speed[1:][inside] = (np.hypot(np.diff(line.x), np.diff(line.y)) / np.diff(line.t))[inside]
    moving = speed[speed > 0]
    fast = np.quantile(moving, 0.95) if len(moving) else 1.0
    return [tuple(row) for row in _ramp(np.minimum(speed / fast, 1)).tolist()]


def _ramp(share: Floats) -> Ints:
    stops = np.linspace(0, 1, len(SLOW_TO_FAST))
    parts = [np.interp(share, stops, part) for part in SLOW_TO_FAST.T]
    return np.stack(parts, 1).astype(np.int64)
