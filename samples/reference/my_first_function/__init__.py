# Every supported way to import a module of the app.
import shared_code.my_second_helper_function
from shared_code import my_first_helper_function

from . import example


def main(req):
    greeting = my_first_helper_function.greeting(req.params.get("user", "you"))
    answer = shared_code.my_second_helper_function.double(21)
    return f"{greeting} {answer} {example.SIGNATURE}"
