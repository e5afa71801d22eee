"""What is known of CPython's tests run as flows. The shares only grow, the list only gets shorter.

A test that is in the list and ends as it should fails, so that it is taken off.
"""

from __future__ import annotations

__all__ = ["COMPILED", "DIFFERING"]

#: How much of a module is compiled, at least, in hundredths. (Tests come and go between versions of CPython.)
COMPILED = {
    "test_grammar": 65,
    "test_exceptions": 60,
    "test_scope": 60,
    "test_with": 65,
    "test_patma": 88,
    "test_dictcomps": 100,
    "test_augassign": 70,
    "test_contextlib": 55,
    "test_raise": 80,
    "test_named_expressions": 95,
    "test_keywordonlyarg": 80,
    "test_decorators": 40,
    "test_class": 20,
    "test_iter": 75,
    "test_fstring": 80,
    "test_compare": 75,
    "test_super": 35,
}

_FRAMES = "it looks at frames, which are the engine's"
_DEEP = "it counts on the depth at which Python's recursion ends"
_FUNCTION = "it gives a function other defaults; functions are taken to stay what they are"

_LATER = "what nobody holds any more is let go a little later than CPython's counts do it"
_EARLIER = "what a helper held that has failed may be let go of before its exception is"

_AT_ONCE = "what a `del` lets go of may go before what stands above it has run; a __del__ shows that"

_ANY_WAY = {
    "ExceptionTests.test_recursion_in_except_handler": _DEEP,
    "ExceptionTests.testExceptionCleanupState": _LATER,
    "ExceptionTests.test_unraisable": _AT_ONCE,
    "ExceptionTests.testSettingException": _FRAMES,
    "GeneratorStackTraceTest.test_send_with_yield_from": _FRAMES,
    "GeneratorStackTraceTest.test_throw_with_yield_from": _FRAMES,
    "NameErrorTests.test_name_error_suggestions": _FRAMES,
    "ScopeTests.testLeaks": _LATER,
    "TestTraceback.test_accepts_traceback": "the traceback that is given is not the very object that is met",
    "TestTracebackType.test_attrs": _FRAMES,
    "doctest __test__.refleaks": _LATER,
}

#: Tests that do not end as in CPython, and why, for each way to run them.
DIFFERING = {
    "flow": _ANY_WAY,
    "walked": {
        **_ANY_WAY,
        "ExceptionTests.test_recursion_error_cleanup": _DEEP,
        "KeywordOnlyArgTestCase.testKwDefaults": _FUNCTION,
        "TestDecorators.test_dbcheck": "eval in a decorator does not see the names of the function",
        "TestPEP380Operation.test_delegator_is_visible_to_debugger": _FRAMES,
        "ExceptionTests.test_memory_error_cleanup": _EARLIER,
    },
}
