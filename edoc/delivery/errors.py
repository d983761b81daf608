"""What can be wrong with a status report or a delivery."""

from __future__ import annotations

from edoc.errors import EdocError


class DeliveryError(EdocError):
    """Base: a delivery cannot be used as asked."""


class UnknownDeliveryError(DeliveryError):
    """There is no such document, or the agency has no part in it."""


class TakenBackError(DeliveryError):
    """The sender has taken the document back before its content was handed over, and the recipient has agreed."""


class ReportLimitError(DeliveryError):
    """The delivery has as many reports as one may have, but for those states for which room is kept."""

    def __init__(self, code: str, most: int) -> None:
        super().__init__(
            f"status {code} is not taken on: this delivery has {most} reports of 05 and of codes without a meaning,"
            " and may have no more of them"
        )
        self.code, self.most = code, most


class TransitionError(DeliveryError):
    """The business state may not follow on the present one."""

    def __init__(self, present: str, code: str, why: str) -> None:
        super().__init__(f"status {code} cannot follow on {present}: {why}")
        self.present, self.code, self.why = present, code, why
