"""Uploaded files, taken apart row by row: each row becomes one message."""

import csv
import io
import json
import logging

import azure.functions as func

uploads = func.Blueprint()


@uploads.blob_trigger(
    arg_name="upload", path="uploads/{name}.csv", connection="AzureWebJobsStorage"
)
@uploads.queue_output(arg_name="rows", queue_name="rows", connection="AzureWebJobsStorage")
def split_csv(upload: func.InputStream, rows: func.Out[list[str]]) -> None:
    """Fan a CSV file out to the queue ``rows``."""
    text = upload.read().decode("utf-8-sig")
    rows.set(_messages(upload.name, csv.DictReader(io.StringIO(text))))


@uploads.blob_trigger(
    arg_name="upload", path="uploads/{name}.json", connection="AzureWebJobsStorage"
)
@uploads.queue_output(arg_name="rows", queue_name="rows", connection="AzureWebJobsStorage")
def split_json(upload: func.InputStream, rows: func.Out[list[str]]) -> None:
    """Fan a JSON array out to the queue ``rows``."""
    rows.set(_messages(upload.name, json.loads(upload.read())))


@uploads.queue_trigger(arg_name="message", queue_name="rows", connection="AzureWebJobsStorage")
@uploads.queue_output(arg_name="$return", queue_name="processed", connection="AzureWebJobsStorage")
def process_row(message: func.QueueMessage) -> bytes:
    """Pass a row on, with the number of its filled fields."""
    row = message.get_json()
    filled = sum(1 for value in row["fields"].values() if value not in ("", None))
    return json.dumps({**row, "filled": filled}).encode()


def _messages(source, records):
    messages = [
        json.dumps({"source": source, "line": line, "fields": fields})
        for line, fields in enumerate(records, start=1)
    ]
    logging.info("%s: %d rows", source, len(messages))
    return messages
