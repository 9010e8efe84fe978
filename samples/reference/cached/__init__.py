# Globals live as long as the worker process: work done once serves later invocations.
CACHED_DATA = None
LOADS = 0


def load_json():
    global LOADS
    LOADS += 1
    return {"loads": LOADS}


def main(req):
    global CACHED_DATA
    if CACHED_DATA is None:
        CACHED_DATA = load_json()
    return f"loaded {CACHED_DATA['loads']} time(s)"
