"""The Blob service's own rows of the published error table.

Codes: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage.errors import ErrorCode

ALL_BATCH_SUB_REQUESTS_SHOULD_BE_SAME_API: Final = ErrorCode(
    400,
    "AllBatchSubRequestsShouldBeSameApi",
    "All batch subrequests should be the same api.",
)
APPEND_POSITION_CONDITION_NOT_MET: Final = ErrorCode(
    412, "AppendPositionConditionNotMet", "The append position condition specified was not met."
)
BLOB_ALREADY_EXISTS: Final = ErrorCode(
    409, "BlobAlreadyExists", "The specified blob already exists."
)
BLOB_ARCHIVED: Final = ErrorCode(
    409, "BlobArchived", "This operation is not permitted on an archived blob."
)
BLOB_BEING_REHYDRATED: Final = ErrorCode(
    409,
    "BlobBeingRehydrated",
    "This operation is not permitted because the blob is being rehydrated.",
)
BLOB_CUSTOMER_SPECIFIED_ENCRYPTION_MISMATCH: Final = ErrorCode(
    409,
    "BlobCustomerSpecifiedEncryptionMismatch",
    "The given customer specified encryption does not match the encryption used to encrypt the "
    "blob.",
)
BLOB_DOES_NOT_USE_CUSTOMER_SPECIFIED_ENCRYPTION: Final = ErrorCode(
    409,
    "BlobDoesNotUseCustomerSpecifiedEncryption",
    "The blob is not encrypted with customer specified encryption, but it was provided in the "
    "request.",
)
BLOB_IMMUTABLE_DUE_TO_LEGAL_HOLD: Final = ErrorCode(
    409,
    "BlobImmutableDueToLegalHold",
    "This operation is not permitted as the blob is immutable due to a legal hold.",
)
BLOB_IMMUTABLE_DUE_TO_POLICY: Final = ErrorCode(
    409,
    "BlobImmutableDueToPolicy",
    "This operation is not permitted as the blob is immutable due to a policy.",
)
BLOB_IS_SEALED: Final = ErrorCode(
    409, "BlobIsSealed", "The specified blob is sealed and its contents can't be modified."
)
BLOB_NOT_FOUND: Final = ErrorCode(404, "BlobNotFound", "The specified blob does not exist.")
BLOB_OVERWRITTEN: Final = ErrorCode(
    409,
    "BlobOverwritten",
    "The blob has been recreated since the previous snapshot was taken.",
)
BLOB_USES_CUSTOMER_SPECIFIED_ENCRYPTION: Final = ErrorCode(
    409,
    "BlobUsesCustomerSpecifiedEncryption",
    "The blob is encrypted with customer specified encryption, but it was not provided in the "
    "request.",
)
BLOCK_COUNT_EXCEEDS_LIMIT: Final = ErrorCode(
    409,
    "BlockCountExceedsLimit",
    "The committed block count cannot exceed the maximum limit of 50,000 blocks.",
)
BLOCK_LIST_TOO_LONG: Final = ErrorCode(
    400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks."
)
BOTH_USER_TAGS_AND_SOURCE_TAGS: Final = ErrorCode(
    409,
    "BothUserTagsAndSourceTagsCopyPresentException",
    "x-ms-tags header must not be present with x-ms-copy-source-tag-option as COPY.",
)
CANNOT_VERIFY_COPY_SOURCE: Final = ErrorCode(
    404, "CannotVerifyCopySource", "The specified copy source could not be verified."
)
CONTAINER_ALREADY_EXISTS: Final = ErrorCode(
    409, "ContainerAlreadyExists", "The specified container already exists."
)
CONTAINER_NOT_FOUND: Final = ErrorCode(
    404, "ContainerNotFound", "The specified container does not exist."
)
CRC64_MISMATCH: Final = ErrorCode(
    400,
    "Crc64Mismatch",
    "The CRC64 value specified in the request did not match with the CRC64 value calculated by "
    "the server.",
)
DUPLICATE_TAG_NAMES: Final = ErrorCode(
    400, "DuplicateTagNames", "The tags specified contain duplicate names."
)
EMPTY_TAG_NAME: Final = ErrorCode(
    400, "EmptyTagName", "The name of one of the tag key-value pairs is empty."
)
EXCEEDS_MAX_BATCH_REQUEST_COUNT: Final = ErrorCode(
    400,
    "ExceedsMaxBatchRequestCount",
    "The batch operation exceeds maximum number of allowed subrequests.",
)
HIERARCHICAL_NAMESPACE_NOT_ENABLED: Final = ErrorCode(
    400,
    "HierarchicalNamespaceNotEnabled",
    "This operation is only permitted on a hierarchical namespace account.",
)
INCREMENTAL_COPY_BLOB_MISMATCH: Final = ErrorCode(
    409,
    "IncrementalCopyBlobMismatch",
    "The specified source blob is different than the copy source of the existing incremental copy "
    "blob.",
)
INCREMENTAL_COPY_OF_EARLIER_SNAPSHOT_NOT_ALLOWED: Final = ErrorCode(
    409,
    "IncrementalCopyOfEarlierSnapshotNotAllowed",
    "The specified snapshot is earlier than the last snapshot copied into the incremental copy "
    "blob.",
)
INCREMENTAL_COPY_SOURCE_MUST_BE_SNAPSHOT: Final = ErrorCode(
    409,
    "IncrementalCopySourceMustBeSnapshot",
    "The source for incremental copy request must be a snapshot.",
)
INFINITE_LEASE_DURATION_REQUIRED: Final = ErrorCode(
    412,
    "InfiniteLeaseDurationRequired",
    "The lease ID matched, but the specified lease must be an infinite-duration lease.",
)
INVALID_BLOB_OR_BLOCK: Final = ErrorCode(
    400, "InvalidBlobOrBlock", "The specified blob or block content is invalid."
)
INVALID_BLOB_TIER: Final = ErrorCode(400, "InvalidBlobTier", "The specified blob tier is invalid.")
INVALID_BLOB_TYPE: Final = ErrorCode(
    409, "InvalidBlobType", "The blob type is invalid for this operation."
)
INVALID_BLOCK_ID: Final = ErrorCode(
    400,
    "InvalidBlockId",
    "The specified block ID is invalid. The block ID must be Base64-encoded.",
)
INVALID_BLOCK_LIST: Final = ErrorCode(
    400, "InvalidBlockList", "The specified block list is invalid."
)
INVALID_OPERATION: Final = ErrorCode(
    400, "InvalidOperation", "Invalid operation against a blob snapshot."
)
INVALID_PAGE_RANGE: Final = ErrorCode(
    416, "InvalidPageRange", "The page range specified is invalid."
)
INVALID_TAG: Final = ErrorCode(
    400,
    "InvalidTag",
    "The tags specified are invalid. It contains characters that are not permitted.",
)
INVALID_SOURCE_BLOB_TYPE: Final = ErrorCode(
    409, "InvalidSourceBlobType", "The copy source blob type is invalid for this operation."
)
LEASE_ALREADY_PRESENT: Final = ErrorCode(
    409, "LeaseAlreadyPresent", "There is already a lease present."
)
LEASE_ID_MISMATCH_WITH_BLOB_OPERATION: Final = ErrorCode(
    412,
    "LeaseIdMismatchWithBlobOperation",
    "The lease ID specified did not match the lease ID for the blob.",
)
LEASE_ID_MISMATCH_WITH_CONTAINER_OPERATION: Final = ErrorCode(
    412,
    "LeaseIdMismatchWithContainerOperation",
    "The lease ID specified did not match the lease ID for the container.",
)
LEASE_ID_MISMATCH_WITH_LEASE_OPERATION: Final = ErrorCode(
    409,
    "LeaseIdMismatchWithLeaseOperation",
    "The lease ID specified did not match the lease ID for the resource with the specified lease "
    "operation.",
)
LEASE_ID_MISSING: Final = ErrorCode(
    412,
    "LeaseIdMissing",
    "There is currently a lease on the resource and no lease ID was specified in the request.",
)
LEASE_IS_BREAKING_AND_CANNOT_BE_ACQUIRED: Final = ErrorCode(
    409,
    "LeaseIsBreakingAndCannotBeAcquired",
    "The lease ID matched, but the lease is currently in breaking state and cannot be acquired "
    "until it is broken.",
)
LEASE_IS_BREAKING_AND_CANNOT_BE_CHANGED: Final = ErrorCode(
    409,
    "LeaseIsBreakingAndCannotBeChanged",
    "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
)
LEASE_IS_BROKEN_AND_CANNOT_BE_RENEWED: Final = ErrorCode(
    409,
    "LeaseIsBrokenAndCannotBeRenewed",
    "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
)
LEASE_LOST: Final = ErrorCode(
    412, "LeaseLost", "A lease ID was specified, but the lease for the resource has expired."
)
LEASE_NOT_PRESENT_WITH_BLOB_OPERATION: Final = ErrorCode(
    412, "LeaseNotPresentWithBlobOperation", "There is currently no lease on the blob."
)
LEASE_NOT_PRESENT_WITH_CONTAINER_OPERATION: Final = ErrorCode(
    412, "LeaseNotPresentWithContainerOperation", "There is currently no lease on the container."
)
LEASE_NOT_PRESENT_WITH_LEASE_OPERATION: Final = ErrorCode(
    409, "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the resource."
)
MAX_BLOB_SIZE_CONDITION_NOT_MET: Final = ErrorCode(
    412, "MaxBlobSizeConditionNotMet", "The max blob size condition specified was not met."
)
NO_PENDING_COPY_OPERATION: Final = ErrorCode(
    409, "NoPendingCopyOperation", "There is currently no pending copy operation."
)
NOT_MODIFIED: Final = ErrorCode(
    304,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
)
PREVIOUS_SNAPSHOT_CANNOT_BE_NEWER: Final = ErrorCode(
    400,
    "PreviousSnapshotCannotBeNewer",
    "The prevsnapshot query parameter value cannot be newer than snapshot query parameter value.",
)
PREVIOUS_SNAPSHOT_NOT_FOUND: Final = ErrorCode(
    409, "PreviousSnapshotNotFound", "The previous snapshot is not found."
)
SEQUENCE_NUMBER_CONDITION_NOT_MET: Final = ErrorCode(
    412,
    "SequenceNumberConditionNotMet",
    "The sequence number condition specified was not met.",
)
SEQUENCE_NUMBER_INCREMENT_TOO_LARGE: Final = ErrorCode(
    409,
    "SequenceNumberIncrementTooLarge",
    "The sequence number increment cannot be performed because it would result in overflow of "
    "the sequence number.",
)
OPERATION_NOT_ALLOWED_ON_INCREMENTAL_COPY_BLOB: Final = ErrorCode(
    409,
    "OperationNotAllowedOnIncrementalCopyBlob",
    "The specified operation is not allowed on an incremental copy blob.",
)
OPERATION_NOT_ALLOWED_ON_ROOT_BLOB: Final = ErrorCode(
    403, "OperationNotAllowedOnRootBlob", "This operation is not allowed on the current version."
)
REQUEST_FORBIDDEN_BY_CONTAINER_ENCRYPTION_POLICY: Final = ErrorCode(
    403,
    "RequestForbiddenByContainerEncryptionPolicy",
    "This request is forbidden by the container's encryption policy.",
)
SNAPSHOTS_PRESENT: Final = ErrorCode(
    409, "SnapshotsPresent", "This operation is not permitted while the blob has snapshots."
)
SOURCE_CONDITION_NOT_MET: Final = ErrorCode(
    412,
    "SourceConditionNotMet",
    "The source condition specified using HTTP conditional header(s) is not met.",
)
TAGS_TOO_LARGE: Final = ErrorCode(
    400, "TagsTooLarge", "The tags specified exceed the maximum permissible limit."
)
TARGET_CONDITION_NOT_MET: Final = ErrorCode(
    412,
    "TargetConditionNotMet",
    "The target condition specified using HTTP conditional header(s) is not met.",
)
UNAUTHORIZED_BLOB_OVERWRITE: Final = ErrorCode(
    403,
    "UnauthorizedBlobOverwrite",
    "This request is not authorized to perform blob overwrites.",
)
UNSATISFIABLE_CONDITION: Final = ErrorCode(
    400,
    "UnsatisfiableCondition",
    "The request includes an unsatisfiable condition for this operation.",
)
