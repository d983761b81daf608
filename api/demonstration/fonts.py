"""The serif typeface of the letters: the variable Noto Serif of an installed package, made into four plain faces."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

_FACES: Final = {
    "": ("NotoSerif[wdth,wght].ttf", 400),
    "B": ("NotoSerif[wdth,wght].ttf", 700),
    "I": ("NotoSerif-Italic[wdth,wght].ttf", 400),
    "BI": ("NotoSerif-Italic[wdth,wght].ttf", 700),
}
"""By style: the file, and the value on its axis of weight."""
_WIDTH: Final = 87.5
"""On the axis of width: as narrow as the Times that the decree names."""
_CHARACTERS: Final = (*range(0x20, 0x250), *range(0x1EA0, 0x1EFA), *range(0x2010, 0x2027))
"""Latin with Vietnamese and the usual punctuation; only these are worth the time of making a face."""


@contextmanager
def serif_faces() -> Iterator[Mapping[str, Path]]:
    """Files of the four faces by style (``""``, ``B``, ``I``, ``BI``), there as long as the context lasts."""
    with TemporaryDirectory(prefix="edoc-fonts-") as folder:
        faces = {style: Path(folder, f"serif{style}.ttf") for style in _FACES}
        for style, path in faces.items():
            path.write_bytes(_face(style))
        yield faces


@functools.cache
def _face(style: str) -> bytes:
    """One face, made once in a process: first cut down to the characters, which makes the rest five times faster."""
    name, weight = _FACES[style]
    with resources.as_file(resources.files("fontpkg_noto_serif").joinpath("files", name)) as path:
        font = TTFont(path, recalcTimestamp=False)
        options = subset.Options()
        options.layout_features = []
        options.notdef_outline = True
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=_CHARACTERS)
        cutter.subset(font)
        instancer.instantiateVariableFont(font, {"wght": weight, "wdth": _WIDTH}, inplace=True, static=True)
        made = io.BytesIO()
        font.save(made)
        font.close()
    return made.getvalue()
