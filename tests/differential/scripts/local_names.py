"""Nothing but names of the top level alone, and a value of an outer kind."""

import io
import json

data = {"a": [1, 2, 3], "b": {"c": None}}
out = io.StringIO()
text = json.dumps(data)
for name, part in data.items():
    print(name, part, file=out)
    if name == "b":
        part["c"] = text
print(out.getvalue(), data)
i = 0
while True:
    i += 1
    if i == 3:
        continue
    if i > 5:
        break
    print(i, end=" ")
else:
    print("never")
print()
with io.StringIO("x\ny\n") as lines:
    found = [line.strip() for line in lines]
print(found)
numbers = []
for i in range(3):
    numbers.append(i)
    same = numbers
    same.append(-i)
print(numbers, same is numbers)
x = y = []
x.append(1)
print(y)
match data:
    case {"a": [one, *others]}:
        print(one, others)
