"""The Queue service's own error codes.

Codes: https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage.errors import ErrorCode

MESSAGE_NOT_FOUND: Final = ErrorCode(
    404, "MessageNotFound", "The specified message does not exist."
)
MESSAGE_TOO_LARGE: Final = ErrorCode(
    400, "MessageTooLarge", "The message exceeds the maximum allowed size."
)
POP_RECEIPT_MISMATCH: Final = ErrorCode(
    400,
    "PopReceiptMismatch",
    "The specified pop receipt did not match the pop receipt for a dequeued message.",
)
QUEUE_ALREADY_EXISTS: Final = ErrorCode(
    409, "QueueAlreadyExists", "The specified queue already exists."
)
QUEUE_NOT_FOUND: Final = ErrorCode(404, "QueueNotFound", "The specified queue does not exist.")
