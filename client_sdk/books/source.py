"""What a book's file is to its reader: records of cells, one after the other, and how far it has come."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from client_sdk.books.cells import BadCell


class Lines(ABC):
    @abstractmethod
    def __iter__(self) -> Iterator[tuple[int, list[str] | BadCell]]:
        """(line in the file, cells) of each record, or what is wrong with it."""

    @property
    @abstractmethod
    def share(self) -> float:
        """How much of the file was read, from 0 to 1."""
