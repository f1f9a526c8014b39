"""What a use case can end with, besides the errors of `ledger.errors`."""

from ledger.errors import SuyuanError


class NotFound(SuyuanError):
    """What was asked for is not in the ledger."""


class Forbidden(SuyuanError):
    """The caller's certificate does not open this."""


class WrongSettings(SuyuanError):
    """A setting is wrong: to start again would not help until somebody corrects it."""


class NotStored(SuyuanError):
    """The disk did not take it, so nothing is acknowledged; the same call may be made again."""
