# Files in the temporary folder may be used, and may be gone in the next invocation.
import tempfile
from os import listdir


def main(req):
    with tempfile.NamedTemporaryFile(prefix="triggerfish-sample-") as file:
        file.write(b"Hello world!")
        here = [name for name in listdir(tempfile.gettempdir()) if file.name.endswith(name)]
    return str(len(here))
