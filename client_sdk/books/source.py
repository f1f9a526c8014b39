"""What a book's file is to its reader: records of cells, one after the other, and how far it has come."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeAlias

from client_sdk.books.cells import BadCell

Record: TypeAlias = tuple[int, list[str], BadCell | None]
"""(line in the file, cells as they stand there, what is wrong with the record as a whole)."""


class Lines(ABC):
    """`width` is how many columns the headers name, once they are known: what the end of the file cut short is
    told by it."""

    width = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """The records, once."""

    def close(self) -> None:
        """When no more is read of the file, of this and its other candidates."""
        return

    @property
    @abstractmethod
    def share(self) -> float:
        """How much of the file was read, from 0 to 1."""
