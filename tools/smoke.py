"""Is an installed wheel whole? --hidden: and is the system's liburcu out of sight?"""

import ctypes
import sys

import sharedobj as so

if "--hidden" in sys.argv:
    # The bundled copy has a name of its own, so what loads here is the system's.
    for version in range(20):
        try:
            ctypes.CDLL(f"liburcu-bp.so.{version}")
        except OSError:
            continue
        sys.exit("smoke: the system's liburcu can still be loaded")

counter = so.AtomicInt(40)
counter += 2
shared = so.SharedDict()
shared["answer"] = counter
assert shared["answer"] == 42, shared["answer"]
channel = so.Channel(1)
channel.send({"deep": ["copy"]})
assert channel.recv() == {"deep": ["copy"]}

if sys.platform == "linux":
    with open("/proc/self/maps") as maps:
        used = {line.split()[-1] for line in maps if "liburcu" in line}
    assert used and all("sharedobj.libs" in path for path in used), used
    print("smoke: works with", *sorted(path.rpartition("/")[2] for path in used))
