"""Where pictures are between the API and the workers: files in a folder that both see.

A message of SQS holds 1 MiB, and everything in it is stored, signed and sent again with every delivery. So a job carries
the name of a picture, never the picture. With more than one machine the folder is a bucket: the same three methods over
S3, or an upload by presigned URL that never passes through the API.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

__all__ = ["FOLDER_VARIABLE", "Part", "Pictures"]

FOLDER_VARIABLE: Final = "INFERENCE_FOLDER"
"""Names the folder to the API and the workers; without it they use ``pictures`` where they were started."""

Part = Literal["original", "thumbnail", "attention"]
"""The files of a picture: as it came, and what a worker made of it."""


class Pictures:
    """A folder with a subfolder for each picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def configured(cls) -> Pictures:
        """Return those in the folder that the environment names."""
        return cls(Path(os.environ.get(FOLDER_VARIABLE, "pictures")))

    def write(self, picture: UUID, part: Part, content: bytes) -> None:
        """Write a file whole or not at all: a job that runs twice writes it twice, and readers see one or the other."""
        path = self._path(picture, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)

    def read(self, picture: UUID, part: Part) -> bytes | None:
        """Return the content of a file, None where there is none (yet)."""
        try:
            return self._path(picture, part).read_bytes()
        except FileNotFoundError:
            return None

    def _path(self, picture: UUID, part: Part) -> Path:
        return self.folder / picture.hex / part  # a UUID has no ".." in it
