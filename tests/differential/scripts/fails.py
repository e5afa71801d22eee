"""An exception that nobody catches, from below a function, with another one as its cause."""

import atexit


def inner(n):
    return 10 // n


def outer(n):
    try:
        return inner(n)
    except ZeroDivisionError as error:
        raise ValueError(f"outer {n}") from error


atexit.register(print, "at exit")
for n in (5, 0, 2):
    print("result", outer(n))
print("not reached")
