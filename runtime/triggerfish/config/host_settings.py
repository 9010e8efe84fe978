"""The keys of host.json: one row each. Behaviour: spec host-and-worker.md, 2.2.

The reference page ``docs/reference/host-json.md`` is written from this table.
https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from triggerfish.config.kinds import (
    Anything,
    Choice,
    Flag,
    Integer,
    Level,
    Members,
    Names,
    Text,
    Timespan,
)
from triggerfish.config.settings_table import Setting

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_LEASE: Final = Timespan(15 * _SECOND, _MINUTE)  # what the Blob service allows
_INFINITE: Final = ("-1", "-00:00:00.0010000", "-00:00:00.001")
_LIMIT: Final = Integer(-1)
_WAIT: Final = Timespan(timedelta())
_SINGLETON: Final = "it is for functions with the attribute Singleton, which only .NET has."
_V1: Final = "keys of version 1 belong under extensions."
_OTHER_LANGUAGE: Final = "Only Python apps are supported: remove it from host.json."

QUEUES: Final = (
    Setting(
        "extensions.queues.batchSize",
        Integer(1, 32),
        16,
        "Messages asked for at once. For one at a time set it to 1.",
    ),
    Setting(
        "extensions.queues.newBatchThreshold",
        Integer(0),
        None,
        "Messages in work at or below which the next batch is asked for.",
        default_text="half of batchSize, times the number of processors",
    ),
    Setting(
        "extensions.queues.maxPollingInterval",
        Timespan(timedelta(milliseconds=100), bare_number=False),
        _MINUTE,
        "Longest wait between two looks at an idle queue. One minute counts as two seconds "
        "here, as in every local run.",
    ),
    Setting(
        "extensions.queues.visibilityTimeout",
        Timespan(timedelta()),
        timedelta(),
        "How long a message stays hidden after a failed run.",
    ),
    Setting(
        "extensions.queues.maxDequeueCount",
        Integer(1),
        5,
        "Runs of a message before it goes to the poison queue.",
    ),
    Setting(
        "extensions.queues.messageEncoding",
        Choice(("base64", "none")),
        "base64",
        "How message texts are encoded, in and out.",
    ),
)

BLOBS: Final = (
    Setting(
        "extensions.blobs.maxDegreeOfParallelism",
        Integer(1),
        None,
        "Blobs in work at once, of all blob functions together.",
        default_text="8 times the number of processors",
    ),
    Setting(
        "extensions.blobs.poisonBlobThreshold",
        Integer(1),
        5,
        "Runs of a blob before its message goes to the poison queue.",
    ),
)

HTTP: Final = (
    Setting(
        "extensions.http.routePrefix", Text(), "api", 'What routes begin with; "" for nothing.'
    ),
    Setting(
        "extensions.http.maxOutstandingRequests",
        _LIMIT,
        -1,
        "Requests running and waiting; above it the answer is 429. -1: no limit.",
    ),
    Setting(
        "extensions.http.maxConcurrentRequests",
        _LIMIT,
        -1,
        "Requests running; the others wait. -1: no limit.",
    ),
    Setting(
        "extensions.http.dynamicThrottlesEnabled",
        Flag(),
        False,
        "there are no performance counters to throttle by.",
        "notice",
    ),
    Setting(
        "extensions.http.customHeaders",
        Members(Text(), "headers"),
        {},
        "Headers added to every response.",
    ),
    Setting("extensions.http.hsts", Anything(), None, "Strict transport security.", "ignore"),
)

SINGLETON: Final = (
    Setting("singleton.listenerLockPeriod", _LEASE, _MINUTE, "Lease of a listener's lock."),
    Setting(
        "singleton.listenerLockRecoveryPollingInterval",
        Timespan(15 * _SECOND, endless=_INFINITE),
        _MINUTE,
        "How often a listener without its lock tries again.",
    ),
)

LOGGING: Final = (
    Setting(
        "logging.logLevel",
        Members(Level(), "categories"),
        {},
        "Lowest level shown, by category prefix; the longest prefix wins. `default` is for all "
        "others and wins over `--verbose`.",
    ),
    Setting("logging.console.disableColors", Flag(), False, "Plain text on terminals too."),
    Setting("logging.console.isEnabled", Flag(), False, "The console is always on.", "ignore"),
    Setting(
        "logging.fileLoggingMode",
        Choice(("never", "always", "debugOnly")),
        "debugOnly",
        "logs go to the console; `triggerfish history` keeps those of invocations.",
        "notice",
    ),
    Setting("logging.applicationInsights", Anything(), None, "Needs Azure.", "ignore"),
)

GENERAL: Final = (
    Setting("version", Text('"2.0"'), None, "Version of the file's form.", default_text="required"),
    Setting(
        "functionTimeout",
        Timespan(_SECOND, endless=("-1",)),
        timedelta(minutes=30),
        "Longest time an invocation may take; its worker process is then replaced.",
    ),
    Setting(
        "functions",
        Names("a list of function names"),
        (),
        "Only these functions are run; names in any letter case.",
        default_text="all",
    ),
    Setting(
        "watchFiles",
        Names("a list of file names"),
        (),
        "Further files whose change restarts the app.",
        default_text="none",
    ),
    Setting(
        "watchDirectories",
        Names("a list of folder names"),
        (),
        "Top-level folders in which any change restarts the app.",
        default_text="none",
    ),
    Setting(
        "metadataProviderTimeout",
        Timespan(_SECOND),
        30 * _SECOND,
        "Time that loading the app may take.",
    ),
    Setting(
        "extensionBundle.id", Text(), "", "Shown by `/admin/host/status`; nothing is downloaded."
    ),
    Setting("extensionBundle.version", Text(), "", "As `extensionBundle.id`."),
)

RETRY: Final = (
    Setting(
        "retry.strategy",
        Choice(("fixedDelay", "exponentialBackoff")),
        None,
        "How failed runs are tried again, for all functions without a policy of their own.",
        default_text="no retries",
    ),
    Setting("retry.maxRetryCount", Integer(-1), None, "Tries after the first. -1: without end."),
    Setting("retry.delayInterval", _WAIT, None, "Wait of fixedDelay."),
    Setting("retry.minimumInterval", _WAIT, None, "First wait of exponentialBackoff."),
    Setting("retry.maximumInterval", _WAIT, None, "Longest wait of exponentialBackoff."),
)

WITHOUT_EFFECT: Final = (
    Setting(
        "telemetryMode",
        Text(),
        "ApplicationInsights",
        "telemetry is not sent anywhere.",
        "notice",
    ),
    Setting(
        "concurrency.dynamicConcurrencyEnabled",
        Flag(),
        False,
        "how much is done at once is said by extensions.queues and extensions.blobs.",
        "notice",
    ),
    Setting("singleton.lockPeriod", _LEASE, 15 * _SECOND, _SINGLETON, "notice"),
    Setting(
        "singleton.lockAcquisitionTimeout",
        Timespan(timedelta(microseconds=1), endless=_INFINITE),
        None,
        _SINGLETON,
        "notice",
        default_text="no limit",
    ),
    Setting(
        "singleton.lockAcquisitionPollingInterval",
        Timespan(timedelta(milliseconds=500)),
        5 * _SECOND,
        _SINGLETON,
        "notice",
    ),
    Setting("id", Text(), None, "set AzureFunctionsWebHost__hostid instead.", "notice"),
    Setting("http", Anything(), None, _V1, "notice"),
    Setting("queues", Anything(), None, _V1, "notice"),
    Setting("eventHub", Anything(), None, _V1, "notice"),
    Setting("serviceBus", Anything(), None, _V1, "notice"),
    Setting("customHandler", Anything(), None, _OTHER_LANGUAGE, "refuse"),
    Setting("httpWorker", Anything(), None, _OTHER_LANGUAGE, "refuse"),
    # Stands for every key below extensions that has no row: host_json looks for those.
    Setting("extensions.*", Anything(), None, "its bindings are not here.", "notice"),
    Setting("extensions.tables", Anything(), None, "Has no settings to honour.", "ignore"),
    Setting("aggregator", Anything(), None, "Batches of telemetry.", "ignore"),
    Setting("healthMonitor", Anything(), None, "Limits of an Azure instance.", "ignore"),
    Setting("managedDependency", Anything(), None, "PowerShell only.", "ignore"),
    Setting(
        "sendCanceledInvocationsToWorker",
        Flag(),
        True,
        "An invocation that has begun is always run to its end.",
        "ignore",
    ),
)

HOST_SETTINGS: Final = (
    *GENERAL,
    *RETRY,
    *QUEUES,
    *BLOBS,
    *HTTP,
    *SINGLETON,
    *LOGGING,
    *WITHOUT_EFFECT,
)
