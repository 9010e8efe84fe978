# Two outputs: a message through Out, the response as the return value.
import azure.functions as func


def main(req: func.HttpRequest, msg: func.Out[func.QueueMessage]) -> str:
    message = req.params.get("body")
    msg.set(message)
    return message
