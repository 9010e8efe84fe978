"""How many at once, and how often: what follows from what is written."""

from __future__ import annotations

import pytest

from triggerfish.config.host_options import BlobOptions


@pytest.mark.parametrize(
    ("batch_size", "given", "processors", "threshold"),
    [
        (None, None, 1, 8),
        (None, None, 8, 64),
        (1, None, 8, 0),
        (1, 0, 8, 0),
        (5, None, 4, 8),
        (32, None, 2, 32),
        (32, 0, 2, 0),
        (8, 24, 3, 24),
    ],
)
def test_the_new_batch_threshold_follows_the_batch_size(
    batch_size, given, processors, threshold, parse
):
    queues = {"batchSize": batch_size, "newBatchThreshold": given}

    options = parse({"extensions": {"queues": queues}}, processors=processors).queues

    assert (options.batch_size, options.new_batch_threshold) == (batch_size or 16, threshold)


@pytest.mark.parametrize(
    ("parallelism", "batch_size", "threshold"),
    [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 1),
        (8, 5, 3),
        (16, 9, 7),
        (62, 32, 30),
        (63, 32, 31),
        (64, 32, 32),
        (100, 32, 68),
    ],
)
def test_blobs_in_work_are_shared_out_as_documented(parallelism, batch_size, threshold):
    options = BlobOptions(max_degree_of_parallelism=parallelism, poison_blob_threshold=5)

    assert (options.batch_size, options.new_batch_threshold) == (batch_size, threshold)


def test_blobs_in_work_follow_the_processors(parse):
    assert parse(processors=4).blobs.max_degree_of_parallelism == 32


@pytest.mark.parametrize(
    ("written", "used"),
    [(None, 2.0), ("00:01:00", 2.0), ("00:00:59", 59.0), ("00:00:00.1", 0.1), ("00:05:00", 300.0)],
)
def test_a_polling_interval_of_a_minute_is_two_seconds_here(written, used, parse, nested):
    config = parse(nested("extensions.queues.maxPollingInterval", written))

    assert config.queues.max_polling_interval.total_seconds() == used
