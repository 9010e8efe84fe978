# A name from the query or from a JSON body; headers and a status of one's own.
import azure.functions as func


def main(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"my-http-header": "some-value"}
    name = req.params.get("name")
    if not name:
        try:
            name = req.get_json().get("name")
        except ValueError:
            pass
    if name:
        return func.HttpResponse(f"Hello {name}!", headers=headers)
    return func.HttpResponse(
        "Please pass a name on the query string or in the request body",
        headers=headers,
        status_code=400,
    )
