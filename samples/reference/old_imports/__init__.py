# The two deprecated ways; older apps still use them.
from __app__.shared_code import my_first_helper_function

from ..shared_code import my_second_helper_function


def main(req):
    return my_first_helper_function.greeting(str(my_second_helper_function.double(1)))
