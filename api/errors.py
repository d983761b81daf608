"""The error tree of ``api``: every exception this folder raises on its own descends from :class:`ApiError`."""

from __future__ import annotations

from dataclasses import dataclass


class ApiError(Exception):
    """Base of all errors raised by ``api``."""


@dataclass(frozen=True)
class SettingProblem:
    """What is wrong with one setting; never shows its value, which may be a secret."""

    setting: str
    """As it is set in the environment: ``EDOC_PORT``."""
    reason: str


class SettingsError(ApiError):
    """The configuration cannot be used; says everything that is wrong with it."""

    def __init__(self, problems: tuple[SettingProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.setting}: {problem.reason}" for problem in problems))
        self.problems = problems


class NotInitializedError(ApiError):
    """There is no exchange in the home folder yet, or it is of another version; ``remedy`` says what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason, self.remedy = reason, remedy


class SecretFileError(ApiError):
    """A file with a password or a key cannot be read, is empty, or others can read it."""


class SecretFileMissingError(SecretFileError):
    """There is no such file."""


class AddressError(ApiError):
    """The service cannot listen on the address that ``EDOC_HOST`` and ``EDOC_PORT`` name."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address, self.reason = address, reason


class AddressTakenError(AddressError):
    """Another program listens there already (EADDRINUSE)."""
