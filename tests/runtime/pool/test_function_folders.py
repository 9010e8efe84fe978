"""Apps of function.json folders: imports in all their forms, and functions in error."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = [{"name": "msg", "type": "queueTrigger", "direction": "in", "queueName": "q"}]
ANSWERS = [*QUEUE, {"name": "$return", "type": "queue", "direction": "out", "queueName": "o"}]

FILES = {
    "shared_code/__init__.py": "",
    "shared_code/numbers_of_ours.py": "def double(n): return 2 * n",
    "without_init/place.py": "where = 'a folder without __init__.py'",
    "queue.py": "raise RuntimeError('the standard library is hidden')",
    "imports/__init__.py": """
        import json
        import queue
        import shared_code.numbers_of_ours
        import without_init.place
        from shared_code import numbers_of_ours
        from __app__.shared_code import numbers_of_ours as under_app
        from ..shared_code import numbers_of_ours as above
        from . import example

        def main(msg):
            numbers = [numbers_of_ours, under_app, above]
            return json.dumps([
                [module.double(2) for module in numbers],
                example.name,
                without_init.place.where,
                __name__,
                queue.__file__ != "" and hasattr(queue, "SimpleQueue"),
            ])
    """,
    "imports/example.py": "name = __name__",
    "entry/main.py": "def customentry(msg): return __name__ + ' ' + msg.get_body().decode()",
    "nested/code/inner/run.py": "def main(msg): return __name__",
    "outside/readme.txt": "",
    "shared_code/entry.py": "def main(msg): return __name__",
    "with-dash/__init__.py": "async def main(msg): return __name__",
    "email/__init__.py": """
        import email.message
        def main(msg, context): return email.message.__name__ + ' ' + context.function_directory
    """,
    "no_entry/__init__.py": "def other(msg): pass",
    "a_class/__init__.py": "class main: pass",
    "a_text/__init__.py": "main = 'text'",
    "a_generator/__init__.py": "async def main(msg): yield 1",
    "no_module/__init__.py": "import a_package_that_nobody_has\ndef main(msg): pass",
    "bad_syntax/__init__.py": "def main(msg)\n    pass\n",
    "raises/__init__.py": "def main(msg): pass\ndef fail(): 1 / 0\nfail()\n",
    "exits/__init__.py": "import sys\nsys.exit('bye')",
    "no_parameter/__init__.py": "def main(other): pass",
    "not_python/main.js": "",
    "too_far/readme.txt": "",
}

FUNCTIONS = {
    "imports": ANSWERS,
    "entry": {"scriptFile": "main.py", "entryPoint": "customentry", "bindings": ANSWERS},
    "nested": {"scriptFile": "code/inner/run.py", "bindings": ANSWERS},
    "outside": {"scriptFile": "../shared_code/entry.py", "bindings": ANSWERS},
    "with-dash": ANSWERS,
    "email": ANSWERS,
    "no_entry": QUEUE,
    "a_class": QUEUE,
    "a_text": QUEUE,
    "a_generator": QUEUE,
    "no_module": QUEUE,
    "bad_syntax": QUEUE,
    "raises": QUEUE,
    "exits": QUEUE,
    "no_parameter": QUEUE,
    "not_python": {"scriptFile": "main.js", "bindings": QUEUE},
    "too_far": {"scriptFile": "../../elsewhere.py", "bindings": QUEUE},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(make_app, launch, keep):
    async with keep(launch(make_app(FILES, FUNCTIONS))) as running:
        yield running


async def test_functions_that_load_are_listed_and_the_others_are_in_error(app):
    loaded = {function.name for function in app.generation.functions}
    failed = {error.function for error in app.generation.errors}

    assert loaded == {"imports", "entry", "nested", "outside", "with-dash", "email"}
    assert loaded | failed == set(FUNCTIONS)
    assert {function.name for function in app.generation.unloaded} == failed


async def test_every_documented_form_of_import_works(app):
    result = await app.run("imports")

    doubles, example, place, name, has_standard_library = json.loads(
        result.outputs["$return"].value
    )
    assert doubles == [4, 4, 4]
    assert example == "__app__.imports.example"
    assert place == "a folder without __init__.py"
    assert name == "__app__.imports"
    assert has_standard_library


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("entry", "__app__.entry.main hello"),
        ("nested", "__app__.nested.code.inner.run"),
        ("outside", "__app__.shared_code.entry"),
        ("with-dash", "__app__.with-dash"),
    ],
)
async def test_a_script_is_found_wherever_it_lies(app, function, answer):
    assert (await app.run(function, "hello")).outputs["$return"].value == answer


async def test_a_function_may_be_called_like_a_module_of_the_standard_library(app):
    answer = (await app.run("email")).outputs["$return"].value

    assert answer == f"email.message {app.folder / 'email'}"


@pytest.mark.parametrize(
    ("function", "messages"),
    [
        ("no_entry", ["function main() is not present in __init__.py"]),
        ("a_class", ["its entry point is a class"]),
        ("a_text", ["its entry point is not callable"]),
        ("a_generator", ["its entry point is a generator"]),
        (
            "no_module",
            [
                "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
                "no_module/__init__.py",
                "line 1",
                "requirements.txt",
                "sys.path",
            ],
        ),
        ("bad_syntax", ["SyntaxError: ", "bad_syntax/__init__.py", "line 1"]),
        ("raises", ["ZeroDivisionError: division by zero", "line 3, in <module>"]),
        ("exits", ["SystemExit: bye"]),
        ("no_parameter", ["declared in Python but not in function.json: {'other'}"]),
        ("not_python", ["'main.js' is no Python file of the app"]),
        ("too_far", ["'../../elsewhere.py' is no Python file of the app"]),
    ],
)
async def test_a_function_in_error_says_why(app, function, messages):
    [message] = [e.message for e in app.generation.errors if e.function == function]

    assert message.startswith(f"cannot load the {function} function: ")
    for part in messages:
        assert part in message
    assert "triggerfish" not in message.partition("sys.path")[0]


async def test_a_function_in_error_is_not_run(app):
    failure = (await app.run("raises")).failure

    assert "'raises' is not there, or is in error" in failure.message
