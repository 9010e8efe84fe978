# Doubles ?value=<int>; tests/test_my_second_function.py calls it without any host.
import logging

import azure.functions as func

from shared_code import my_second_helper_function


def main(req: func.HttpRequest) -> func.HttpResponse:
    logging.info("my_second_function was called.")
    value = int(req.params.get("value"))
    doubled = my_second_helper_function.double(value)
    return func.HttpResponse(body=f"{value} * 2 = {doubled}", status_code=200)
