"""The Table service's own rows of the published error table.

Codes: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage.errors import ErrorCode

ATOM_FORMAT_NOT_SUPPORTED: Final = ErrorCode(
    415, "AtomFormatNotSupported", "Atom format is not supported."
)
COMMANDS_IN_BATCH_ACT_ON_DIFFERENT_PARTITIONS: Final = ErrorCode(
    400,
    "CommandsInBatchActOnDifferentPartitions",
    "All commands in a batch must operate on same entity group.",
)
CHANGES_LIMIT_EXCEEDED: Final = ErrorCode(
    400,
    "InvalidInput",
    "The batch request operation exceeds the maximum 100 changes per change set.",
)
CONTENT_LENGTH_EXCEEDED: Final = ErrorCode(
    413,
    "ContentLengthExceeded",
    "The content length for the requested operation has exceeded the limit.",
)
DUPLICATE_PROPERTIES_SPECIFIED: Final = ErrorCode(
    400, "DuplicatePropertiesSpecified", "A property is specified more than one time."
)
ENTITY_ALREADY_EXISTS: Final = ErrorCode(
    409, "EntityAlreadyExists", "The specified entity already exists."
)
ENTITY_TOO_LARGE: Final = ErrorCode(
    400,
    "EntityTooLarge",
    "The entity is larger than the maximum allowed size (1MB).",
)
INVALID_DUPLICATE_ROW: Final = ErrorCode(
    400,
    "InvalidDuplicateRow",
    "The batch request contains multiple changes with same row key. An entity can appear only "
    "once in a batch request.",
)
INVALID_VALUE_TYPE: Final = ErrorCode(400, "InvalidValueType", "The value specified is invalid.")
JSON_FORMAT_NOT_SUPPORTED: Final = ErrorCode(
    415, "JsonFormatNotSupported", "JSON format is not supported."
)
KEYS_MISMATCH: Final = ErrorCode(
    400,
    "InvalidInput",
    "The number of keys specified in the URI does not match number of key properties for the "
    "resource.",
)
KEY_VALUE_TOO_LARGE: Final = ErrorCode(
    400,
    "KeyValueTooLarge",
    "The key property cannot be larger than the maximum allowed size (1KB).",
)
MEDIA_TYPE_NOT_SUPPORTED: Final = ErrorCode(
    415, "MediaTypeNotSupported", "None of the provided media types are supported."
)
PROPERTIES_NEED_VALUE: Final = ErrorCode(
    400, "PropertiesNeedValue", "The values are not specified for all properties in the entity."
)
PROPERTY_NAME_INVALID: Final = ErrorCode(
    400, "PropertyNameInvalid", "The property name is invalid."
)
PROPERTY_NAME_TOO_LONG: Final = ErrorCode(
    400, "PropertyNameTooLong", "The property name exceeds the maximum allowed length (255)."
)
PROPERTY_VALUE_TOO_LARGE: Final = ErrorCode(
    400,
    "PropertyValueTooLarge",
    "The property value exceeds the maximum allowed size (64KB). If the property value is a "
    "string, it is UTF-16 encoded and the maximum number of characters should be 32K or less.",
)
TABLE_ALREADY_EXISTS: Final = ErrorCode(
    409, "TableAlreadyExists", "The table specified already exists."
)
TABLE_NOT_FOUND: Final = ErrorCode(404, "TableNotFound", "The table specified does not exist.")
TOO_MANY_PROPERTIES: Final = ErrorCode(
    400,
    "TooManyProperties",
    "The entity contains more properties than allowed. Each entity can include up to 252 "
    "properties to store data. Each entity also has 3 system properties.",
)
UPDATE_CONDITION_NOT_SATISFIED: Final = ErrorCode(
    412,
    "UpdateConditionNotSatisfied",
    "The update condition specified in the request was not satisfied.",
)
X_METHOD_INCORRECT_VALUE: Final = ErrorCode(
    400,
    "XMethodIncorrectValue",
    "The HTTP method specified in the X-HTTP-Method header is invalid.",
)
X_METHOD_NOT_USING_POST: Final = ErrorCode(
    400, "XMethodNotUsingPost", "The request uses X-HTTP-Method with a method other than POST."
)
