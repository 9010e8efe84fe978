# Files in the temporary folder may be used, and may be gone in the next invocation.
import tempfile
from os import listdir, path


def main(req):
    with tempfile.NamedTemporaryFile(prefix="triggerfish-sample-") as file:
        file.write(b"Hello world!")
        here = listdir(tempfile.gettempdir()).count(path.basename(file.name))
    return str(here)
