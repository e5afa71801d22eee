"""Files that are written and read in turns."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

folder = pathlib.Path("out")
folder.mkdir(exist_ok=True)
for number in range(3):
    path = folder / f"{number}.txt"
    path.write_text("x" * number)
    with open(path, "a") as file:
        file.write(f"{number}\n")
    print(path.read_text(), os.path.getsize(path))
names = sorted(p.name for p in folder.iterdir())
print(names)
shutil.copy(folder / "2.txt", folder / "copy.txt")
done = subprocess.run(
    [sys.executable, "-c", "print(open('out/copy.txt').read())"], capture_output=True, text=True
)
print(done.stdout, done.returncode)
os.remove(folder / "0.txt")
with tempfile.TemporaryDirectory() as scratch:
    pathlib.Path(scratch, "a").write_text("a")
    print(os.listdir(scratch))
print(sorted(os.listdir(folder)))
print("to stderr", file=sys.stderr)
sys.stdout.write("written\n")
sys.stdout.flush()
