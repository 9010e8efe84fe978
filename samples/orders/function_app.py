"""A small order desk: what happens to an order, an uploaded file, and once a day.

An order is a JSON message in the queue ``orders``:

    {"orderId": "A-1001", "customerId": "C-7",
     "items": [{"sku": "fin", "quantity": 2, "price": 4.5}]}
"""

import json
import logging
from datetime import UTC, datetime

import azure.functions as func

from uploads import uploads

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(uploads)


@app.queue_trigger(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
@app.blob_input(
    arg_name="customer", path="customers/{customerId}.json", connection="AzureWebJobsStorage"
)
@app.blob_output(
    arg_name="invoice", path="invoices/{orderId}.json", connection="AzureWebJobsStorage"
)
@app.queue_output(arg_name="shipment", queue_name="shipments", connection="AzureWebJobsStorage")
def process_order(
    message: func.QueueMessage,
    customer: func.InputStream,
    invoice: func.Out[str],
    shipment: func.Out[str],
) -> None:
    """Write the invoice and ask for the shipment: both happen, or neither does."""
    order = message.get_json()
    if customer is None:
        raise LookupError(f"order {order['orderId']}: there is no customer {order['customerId']}")
    buyer = json.loads(customer.read())

    total = sum(item["quantity"] * item["price"] for item in order["items"])
    invoice.set(
        json.dumps({"orderId": order["orderId"], "to": buyer["name"], "total": round(total, 2)})
    )
    shipment.set(
        json.dumps(
            {"orderId": order["orderId"], "address": buyer["address"], "items": order["items"]}
        )
    )
    logging.info("Order %s for %s: %.2f", order["orderId"], buyer["name"], total)


@app.timer_trigger(arg_name="timer", schedule="%ReportSchedule%")
@app.blob_output(
    arg_name="report",
    path="reports/{DateTime:yyyy-MM-dd}.json",
    connection="AzureWebJobsStorage",
)
def daily_report(timer: func.TimerRequest, report: func.Out[str]) -> None:
    """Leave one report a day; a missed one is caught up at the next start."""
    now = datetime.now(UTC)
    report.set(json.dumps({"at": now.isoformat(timespec="seconds"), "pastDue": timer.past_due}))
    logging.info("Report written%s", " late" if timer.past_due else "")


@app.route(route="orders", methods=["POST"])
@app.queue_output(arg_name="orders", queue_name="orders", connection="AzureWebJobsStorage")
def place_order(req: func.HttpRequest, orders: func.Out[bytes]) -> func.HttpResponse:
    """Take an order over HTTP and put it in the queue."""
    try:
        order = req.get_json()
    except ValueError:
        return func.HttpResponse("An order is a JSON document.", status_code=400)
    orders.set(req.get_body())
    return func.HttpResponse(f"Order {order.get('orderId')} is in the queue.", status_code=202)
