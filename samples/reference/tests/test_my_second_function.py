# A function is a Python function: its unit test needs no host. Run `pytest tests` here.
import unittest

import azure.functions as func

from my_second_function import main


class TestFunction(unittest.TestCase):
    def test_my_second_function(self):
        request = func.HttpRequest(
            method="GET", body=None, url="/api/my_second_function", params={"value": "21"}
        )

        response = main(request)

        self.assertEqual(response.get_body(), b"21 * 2 = 42")
