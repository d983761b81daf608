"""What can be wrong with a status report or a delivery."""

from __future__ import annotations

from edoc.errors import EdocError


class DeliveryError(EdocError):
    """Base: a delivery cannot be used as asked."""


class UnknownDeliveryError(DeliveryError):
    """There is no such document, or the agency has no part in it."""


class TransitionError(DeliveryError):
    """The business state may not follow on the present one."""

    def __init__(self, present: str, code: str, why: str) -> None:
        super().__init__(f"status {code} cannot follow on {present}: {why}")
        self.present, self.code, self.why = present, code, why
