"""What a request can fail with: rows of the services' published error tables.

This module holds the codes that all services share; each service keeps its own rows beside
its store. One exception carries a row. Whatever else escapes a handler is a bug of ours.

Codes: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of a service's published error table."""

    status: int
    code: str
    message: str


class StorageError(Exception):
    """A request that failed in a way the protocol names; anything else is a bug.

    ``details`` become elements of the error document, after Code and Message.
    """

    def __init__(self, error: ErrorCode, **details: str) -> None:
        super().__init__(f"{error.status} {error.code}")
        self.error = error
        self.details = details

    def __str__(self) -> str:
        shown = "".join(f" {name}={value!r}" for name, value in self.details.items())
        return f"{self.error.status} {self.error.code}: {self.error.message}{shown}"


def forget_frames(error: BaseException) -> None:
    """Have an error that was dealt with know no longer which frames it went through.

    Among these are some that know the error, such as what waited for the unit of work that raised
    it. All of them, and the request that they were about, would stay until the program looks for
    cycles, which it does seldom (``long_running``).
    """
    known: BaseException | None = error
    while known is not None:
        known.__traceback__ = None
        known = known.__cause__ or known.__context__


AUTHENTICATION_FAILED: Final = ErrorCode(
    403,
    "AuthenticationFailed",
    "Server failed to authenticate the request. Make sure the value of Authorization header is "
    "formed correctly including the signature.",
)
AUTHORIZATION_FAILURE: Final = ErrorCode(
    403, "AuthorizationFailure", "This request is not authorized to perform this operation."
)
AUTHORIZATION_PERMISSION_MISMATCH: Final = ErrorCode(
    403,
    "AuthorizationPermissionMismatch",
    "This request is not authorized to perform this operation using this permission.",
)
AUTHORIZATION_PROTOCOL_MISMATCH: Final = ErrorCode(
    403,
    "AuthorizationProtocolMismatch",
    "This request is not authorized to perform this operation using this protocol.",
)
AUTHORIZATION_RESOURCE_TYPE_MISMATCH: Final = ErrorCode(
    403,
    "AuthorizationResourceTypeMismatch",
    "This request is not authorized to perform this operation using this resource type.",
)
AUTHORIZATION_SERVICE_MISMATCH: Final = ErrorCode(
    403,
    "AuthorizationServiceMismatch",
    "This request is not authorized to perform this operation using this service.",
)
AUTHORIZATION_SOURCE_IP_MISMATCH: Final = ErrorCode(
    403,
    "AuthorizationSourceIPMismatch",
    "This request is not authorized to perform this operation using this source IP.",
)
CONDITION_HEADERS_NOT_SUPPORTED: Final = ErrorCode(
    400, "ConditionHeadersNotSupported", "Condition headers are not supported."
)
CONDITION_NOT_MET: Final = ErrorCode(
    412,
    "ConditionNotMet",
    "The condition specified using HTTP conditional header(s) is not met.",
)
EMPTY_METADATA_KEY: Final = ErrorCode(
    400, "EmptyMetadataKey", "The key for one of the metadata key-value pairs is empty."
)
INSUFFICIENT_ACCOUNT_PERMISSIONS: Final = ErrorCode(
    403,
    "InsufficientAccountPermissions",
    "Write operations are not allowed.",
)
INTERNAL_ERROR: Final = ErrorCode(
    500, "InternalError", "The server encountered an internal error. Please retry the request."
)
INVALID_AUTHENTICATION_INFO: Final = ErrorCode(
    400,
    "InvalidAuthenticationInfo",
    "The authentication information was not provided in the correct format. Verify the value of "
    "Authorization header.",
)
INVALID_HEADER_VALUE: Final = ErrorCode(
    400,
    "InvalidHeaderValue",
    "The value for one of the HTTP headers is not in the correct format.",
)
INVALID_HTTP_VERB: Final = ErrorCode(
    400, "InvalidHttpVerb", "The HTTP verb specified was not recognized by the server."
)
INVALID_INPUT: Final = ErrorCode(400, "InvalidInput", "One of the request inputs is not valid.")
INVALID_MD5: Final = ErrorCode(
    400,
    "InvalidMd5",
    "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and "
    "Base64-encoded.",
)
INVALID_METADATA: Final = ErrorCode(
    400,
    "InvalidMetadata",
    "The metadata specified is invalid. It has characters that are not permitted.",
)
INVALID_QUERY_PARAMETER_VALUE: Final = ErrorCode(
    400,
    "InvalidQueryParameterValue",
    "Value for one of the query parameters specified in the request URI is invalid.",
)
INVALID_RANGE: Final = ErrorCode(
    416,
    "InvalidRange",
    "The range specified is invalid for the current size of the resource.",
)
INVALID_RESOURCE_NAME: Final = ErrorCode(
    400, "InvalidResourceName", "The specified resource name contains invalid characters."
)
INVALID_URI: Final = ErrorCode(
    400, "InvalidUri", "The requested URI does not represent any resource on the server."
)
INVALID_XML_DOCUMENT: Final = ErrorCode(
    400, "InvalidXmlDocument", "XML specified is not syntactically valid."
)
INVALID_XML_NODE_VALUE: Final = ErrorCode(
    400,
    "InvalidXmlNodeValue",
    "The value for one of the XML nodes is not in the correct format.",
)
MD5_MISMATCH: Final = ErrorCode(
    400,
    "Md5Mismatch",
    "The MD5 value specified in the request did not match with the MD5 value calculated by the "
    "server.",
)
METADATA_TOO_LARGE: Final = ErrorCode(
    400,
    "MetadataTooLarge",
    "The size of the specified metadata exceeds the maximum size permitted.",
)
MISSING_CONTENT_LENGTH_HEADER: Final = ErrorCode(
    411, "MissingContentLengthHeader", "The Content-Length header was not specified."
)
MISSING_REQUIRED_HEADER: Final = ErrorCode(
    400,
    "MissingRequiredHeader",
    "An HTTP header that's mandatory for this request is not specified.",
)
MISSING_REQUIRED_QUERY_PARAMETER: Final = ErrorCode(
    400,
    "MissingRequiredQueryParameter",
    "A query parameter that's mandatory for this request is not specified.",
)
MISSING_REQUIRED_XML_NODE: Final = ErrorCode(
    400, "MissingRequiredXmlNode", "A required XML node was not specified in the request body."
)
MULTIPLE_CONDITION_HEADERS_NOT_SUPPORTED: Final = ErrorCode(
    400,
    "MultipleConditionHeadersNotSupported",
    "Multiple condition headers are not supported.",
)
NO_AUTHENTICATION_INFORMATION: Final = ErrorCode(
    401,
    "NoAuthenticationInformation",
    "Server failed to authenticate the request. Please refer to the information in the "
    "www-authenticate header.",
)
INVALID_TOKEN: Final = ErrorCode(
    401, INVALID_AUTHENTICATION_INFO.code, NO_AUTHENTICATION_INFORMATION.message
)
NOT_IMPLEMENTED: Final = ErrorCode(
    501, "NotImplemented", "The requested operation is not implemented on the specified resource."
)
OPERATION_TIMED_OUT: Final = ErrorCode(
    500, "OperationTimedOut", "The operation could not be completed within the permitted time."
)
OUT_OF_RANGE_INPUT: Final = ErrorCode(
    400, "OutOfRangeInput", "One of the request inputs is out of range."
)
OUT_OF_RANGE_QUERY_PARAMETER_VALUE: Final = ErrorCode(
    400,
    "OutOfRangeQueryParameterValue",
    "One of the query parameters specified in the request URI is outside the permissible range.",
)
RESOURCE_NAME_LENGTH: Final = ErrorCode(
    400,
    "OutOfRangeInput",
    "The specified resource name length is not within the permissible limits.",
)
REQUEST_BODY_TOO_LARGE: Final = ErrorCode(
    413,
    "RequestBodyTooLarge",
    "The request body is too large and exceeds the maximum permissible limit.",
)
REQUEST_URL_FAILED_TO_PARSE: Final = ErrorCode(
    400, "RequestUrlFailedToParse", "The url in the request could not be parsed."
)
RESOURCE_NOT_FOUND: Final = ErrorCode(
    404, "ResourceNotFound", "The specified resource does not exist."
)
SERVER_BUSY: Final = ErrorCode(503, "ServerBusy", "The server is busy.")
UNSUPPORTED_HEADER: Final = ErrorCode(
    400, "UnsupportedHeader", "One of the headers specified in the request is not supported."
)
UNSUPPORTED_HTTP_VERB: Final = ErrorCode(
    405,
    "UnsupportedHttpVerb",
    "The resource doesn't support specified Http Verb.",
)
UNSUPPORTED_QUERY_PARAMETER: Final = ErrorCode(
    400,
    "UnsupportedQueryParameter",
    "One of the query parameters specified in the request URI is not supported.",
)
UNSUPPORTED_XML_NODE: Final = ErrorCode(
    400, "UnsupportedXmlNode", "One of the XML nodes specified in the request body isn't supported."
)
