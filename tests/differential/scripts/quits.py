import sys
import threading

print(threading.current_thread() is threading.main_thread())


def main():
    if not sys.argv[1:]:
        try:
            sys.exit("no arguments")
        finally:
            print("cleaning up")


if "__main__" == __name__:
    main()
    print("not reached")
