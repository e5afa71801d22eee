"""Objects of the script's own classes, changed by methods, at the top level and in main()."""

import asyncio
import functools


class Stack:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.items = []

    def push(self, item):
        self.items.append(item)
        return self

    def __len__(self):
        return len(self.items)

    def __str__(self):
        return "stack of " + ", ".join(map(str, self.items))


@functools.cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def numbers(n):
    for i in range(n):
        yield i, fib(i)


async def later(x):
    await asyncio.sleep(0)
    return x + 1


stack = Stack()
for i, f in numbers(8):
    stack.push(f) if i % 2 else stack.push(i)
print(stack, len(stack), Stack.made)


def main():
    mine = Stack()
    for i, f in numbers(5):
        mine.push(i).push(f)
        if len(mine) > 6:
            break
    print(mine, Stack.made, asyncio.run(later(len(mine))))
    return mine


if __name__ == "__main__":
    result = main()
    print(str(result), [x for x in result.items if x])
