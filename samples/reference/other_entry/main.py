# function.json names both the file and the function in it.


def customentry(req):
    return "from customentry in main.py"
