# A blob input named by the route. No output is declared, so the answer is 204.
import logging

import azure.functions as func


def main(req: func.HttpRequest, obj: func.InputStream):
    logging.info(f"The item holds: {obj.read()}")
