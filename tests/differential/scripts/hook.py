"""A script that tells of its exceptions itself, and a message as an exit status."""

import sys


def told(kind, error, trace):
    print("hook", kind.__name__, error, trace.tb_frame.f_code.co_name, trace.tb_lineno)
    while trace.tb_next:
        trace = trace.tb_next
    print(trace.tb_frame.f_code.co_name, trace.tb_lineno)


sys.excepthook = told


def fail():
    raise KeyError("gone")


fail()
