"""A heatmap as a picture: the page from its top to the last bin that is filled."""

from io import BytesIO

import numpy as np
from PIL import Image

from reports.heat import COLUMNS
from reports.picture import SLOW_TO_FAST
from reports.sketch import Ints

LEAST_ROWS = 36
MOST_HEIGHT = 8_000


def png(counts: Ints, width: int) -> bytes:
    """So many pixels wide, but no higher than MOST_HEIGHT: of a longer page the picture is narrower.

    Blue where there was little, red where there was most, on a logarithmic scale; transparent where
    there was nothing.
    """
    filled = np.flatnonzero(counts.any(axis=1))
    rows = max(LEAST_ROWS, int(filled[-1]) + 1 if len(filled) else 0)
    width = min(width, MOST_HEIGHT * COLUMNS // rows)
    height = max(round(width * rows / COLUMNS), 1)
    level = np.log1p(counts[:rows]) / np.log1p(max(int(counts.max()), 1))
    small = Image.fromarray(np.rint(level * 255).astype(np.uint8))
    image = small.resize((width, height), Image.Resampling.BILINEAR)
    image.putpalette(_palette(), "RGBA")
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _palette() -> bytes:
    share = np.linspace(0, 1, 256)
    stops = np.linspace(0, 1, len(SLOW_TO_FAST))
    colours = [np.interp(share, stops, part) for part in SLOW_TO_FAST.T]
    opaque = 230 * np.sqrt(share)
    return np.stack([*colours, opaque], 1).astype(np.uint8).tobytes()
