"""Reads host.json: leniently, overridden by the environment, told by file and key when wrong.

Behaviour: spec host-and-worker.md, 2. What each key may be is in ``host_settings``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from triggerfish.config.errors import ConfigError
from triggerfish.config.files import read_object
from triggerfish.config.host_options import (
    BlobOptions,
    HostConfig,
    HttpOptions,
    LoggingOptions,
    QueueOptions,
    SingletonOptions,
)
from triggerfish.config.host_settings import HOST_SETTINGS
from triggerfish.config.misspelt import misspelt
from triggerfish.config.notes import notice
from triggerfish.config.settings_table import notices, read
from triggerfish.config.tree import Tree, find, override, plain, tree
from triggerfish.model import LogLine, RetryPolicy, TriggerfishError
from triggerfish.retry import parse_retry_policy

HOST_JSON: Final = "host.json"
_DEFAULT: Final = {"version": "2.0"}
_OWN_EXTENSIONS: Final = ("http", "queues", "blobs", "tables")
_CLOUD_POLLING: Final = timedelta(minutes=1)
_LOCAL_POLLING: Final = timedelta(seconds=2)


def load_host_config(folder: Path, settings: Mapping[str, str]) -> HostConfig:
    """Read the app's host.json, a missing one as the default. Raises ``ConfigError``."""
    document = read_object(folder / HOST_JSON)
    return parse_host_config(document or _DEFAULT, settings, processors=os.cpu_count() or 1)


def parse_host_config(
    document: Mapping[str, Any], settings: Mapping[str, str], *, processors: int
) -> HostConfig:
    """Return what ``document`` and the overrides in ``settings`` say. Raises ``ConfigError``."""
    root = tree(document)
    override(root, settings)
    _check_version(root)
    values = read(HOST_SETTINGS, root, file=HOST_JSON)
    return HostConfig(
        function_timeout=values["functionTimeout"],
        functions=values["functions"],
        retry=_retry(root),
        watch_files=values["watchFiles"],
        watch_directories=values["watchDirectories"],
        metadata_provider_timeout=values["metadataProviderTimeout"],
        queues=_queues(values, processors),
        blobs=_blobs(values, processors),
        http=_http(values),
        singleton=_singleton(values),
        logging=LoggingOptions(
            levels=values["logging.logLevel"],
            disable_colours=values["logging.console.disableColors"],
        ),
        extension_bundle_id=values["extensionBundle.id"],
        extension_bundle_version=values["extensionBundle.version"],
        notices=(
            *notices(HOST_SETTINGS, root, file=HOST_JSON),
            *_foreign_extensions(root),
            *misspelt(HOST_SETTINGS, root, file=HOST_JSON),
        ),
    )


def _check_version(root: Tree) -> None:
    member = find(root, "version", file=HOST_JSON)
    version = "" if member is None else str(member.value)
    if version == "2.0":
        return
    problem = f"'{version}' is not valid; expected \"2.0\"" if member else "is missing"
    hint = (
        f" 2.0 is the version of the file's form, right for runtime {version[0]} too."
        if version[:1] in ("3", "4")
        else ""
    )
    raise ConfigError(
        problem,
        file=HOST_JSON,
        key="version",
        remedy=f'Write "version": "2.0".{hint}',
    )


def _queues(values: Mapping[str, Any], processors: int) -> QueueOptions:
    key = "extensions.queues"
    batch_size: int = values[f"{key}.batchSize"]
    threshold = values[f"{key}.newBatchThreshold"]
    interval = values[f"{key}.maxPollingInterval"]
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=batch_size // 2 * processors if threshold is None else threshold,
        # A minute cannot be told from the default, so it is shortened where it was written too.
        max_polling_interval=_LOCAL_POLLING if interval == _CLOUD_POLLING else interval,
        visibility_timeout=values[f"{key}.visibilityTimeout"],
        max_dequeue_count=values[f"{key}.maxDequeueCount"],
        message_encoding=values[f"{key}.messageEncoding"],
    )


def _blobs(values: Mapping[str, Any], processors: int) -> BlobOptions:
    parallelism = values["extensions.blobs.maxDegreeOfParallelism"]
    return BlobOptions(
        max_degree_of_parallelism=8 * processors if parallelism is None else parallelism,
        poison_blob_threshold=values["extensions.blobs.poisonBlobThreshold"],
    )


def _http(values: Mapping[str, Any]) -> HttpOptions:
    key = "extensions.http"
    return HttpOptions(
        route_prefix=values[f"{key}.routePrefix"].strip("/"),
        max_outstanding_requests=_limit(values[f"{key}.maxOutstandingRequests"]),
        max_concurrent_requests=_limit(values[f"{key}.maxConcurrentRequests"]),
        custom_headers=values[f"{key}.customHeaders"],
    )


def _limit(number: int) -> int | None:
    return None if number < 0 else number


def _singleton(values: Mapping[str, Any]) -> SingletonOptions:
    return SingletonOptions(
        listener_lock_period=values["singleton.listenerLockPeriod"],
        listener_lock_recovery_interval=values["singleton.listenerLockRecoveryPollingInterval"],
    )


def _foreign_extensions(root: Tree) -> list[LogLine]:
    member = find(root, "extensions", file=HOST_JSON)
    if member is None or not isinstance(member.value, dict):
        return []
    return [
        notice(f"{HOST_JSON}: extensions.{child.name} has no effect: its bindings are not here.")
        for name, child in member.value.items()
        if name not in _OWN_EXTENSIONS and child.value is not None
    ]


def _retry(root: Tree) -> RetryPolicy | None:
    member = find(root, "retry", file=HOST_JSON)
    if member is None:
        return None
    try:
        return parse_retry_policy(plain(member.value))
    except TriggerfishError as error:
        key, _, problem = str(error).partition(": ")
        raise ConfigError(
            problem, file=HOST_JSON, key=key, remedy="Correct it, or remove retry for none."
        ) from error
