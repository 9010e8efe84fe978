# The shortest function: no annotations, a text as response.


def main(req):
    user = req.params.get("user")
    return f"Hello, {user}!"
