"""What a script is told by its process."""

import argparse
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("words", nargs="*")
parser.add_argument("--flag", action="store_true")
parser.add_argument("--json", action="store_true")
args = parser.parse_args()
print(args.words, args.flag, args.json, sys.argv[1:])
print(__name__, __doc__, os.path.basename(__file__), os.path.isabs(__file__), __package__, __spec__)
print(os.path.basename(sys.path[0]), sys.modules["__main__"].__file__ == __file__)
for line in sys.stdin:
    print("read", line.strip())
sys.exit(len(args.words))
