"""Names that mean one thing and then another."""

from os.path import *

print(join("a", "b"), len("abc"))


def helper(x):
    return len(x)


def twice(x):
    return helper(x) + helper(x)


print([twice(word) for word in ("a", "bb")])


def len(x):
    return 100


print([twice(word) for word in ("a", "bb")])


def helper(x):
    print("helper", x)
    return 1


for word in ("a", "bb"):
    print(twice(word))
join = 3
print(join)
