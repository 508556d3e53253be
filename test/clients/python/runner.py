"""Runs check functions and reports each on a line of its own, so that the test that started this can tell them apart."""

import asyncio
import json
import traceback


def run(checks, *arguments):
    """Calls every check with the arguments. Returns the exit code: 1 where one failed."""
    failed = 0
    for check in checks:
        try:
            check(*arguments)
            outcome = None
        except Exception:  # whatever a client raises is the outcome of the check
            outcome = traceback.format_exc()
            failed += 1
        print(json.dumps({"check": check.__name__, "failure": outcome}), flush=True)
    return 1 if failed else 0


def checks_of(module):
    """The functions of a module whose names begin with `check_`, in the order of the file."""
    return [value for name, value in vars(module).items() if name.startswith("check_")]


class Blocking:
    """An asyncio client with the surface of its synchronous sister, so that both run the same checks."""

    def __init__(self, loop, client):
        self._loop = loop
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            return self._loop.run_until_complete(method(*args, **kwargs))

        return call

    def call(self, function, *args):
        """Runs a coroutine function on the client."""
        return self._loop.run_until_complete(function(self._client, *args))

    def gather(self, name, calls):
        """One call for each dict of keyword arguments, all at once."""

        async def all_of_them():
            method = getattr(self._client, name)
            return await asyncio.gather(*(method(**call) for call in calls))

        return self._loop.run_until_complete(all_of_them())


def expect_error(error_type, text, call):
    """`call` must raise `error_type` with exactly this message."""
    try:
        call()
    except error_type as error:
        assert error.message() == text, f"{error.message()!r} instead of {text!r}"
        return error
    raise AssertionError(f"no error, but {text!r} was expected")
