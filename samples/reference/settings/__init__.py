# Values of local.settings.json are environment variables.
import logging
import os

import azure.functions as func


def main(req: func.HttpRequest) -> func.HttpResponse:
    value = os.environ["myAppSetting"]
    logging.info(f"My app setting value: {value}")
    return func.HttpResponse(value)
