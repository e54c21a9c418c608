"""Classes and functions that values name: importable by every interpreter of the tests."""

import abc
import collections
import dataclasses
import enum
import functools
import pickle
import typing


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (0, 0, 255)
    CRIMSON = 1  # an alias


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4
    ALL = 7


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Planet(enum.Enum):
    """A member may have attributes of its own, which stay where they are."""

    EARTH = (5.97e24, 6.37e6)

    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius


class Equal(enum.Enum):
    """Members that equal something else are no keys."""

    ONE = 1

    def __eq__(self, other):
        return other == self.value or self is other

    def __hash__(self):
        return hash(self.value)


@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    point: object = None
    made: int = dataclasses.field(init=False, default=0)
    count: typing.ClassVar[int] = 0
    start: dataclasses.InitVar[int] = 5

    def __post_init__(self, start):
        object.__setattr__(self, "made", start)
        type(self).count += 1


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Child(Point):
    z: object

    @functools.cached_property
    def total(self):
        return self.x + self.y + self.z

    def __init__(self, **fields):
        raise AssertionError("made without __init__")


@dataclasses.dataclass(frozen=True)
class Nothing:
    pass


@dataclasses.dataclass(frozen=True, slots=True, weakref_slot=True)
class Abstract(abc.ABC):
    value: int


T = typing.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Box(typing.Generic[T]):  # noqa: UP046
    content: T


@dataclasses.dataclass
class Mutable:
    x: int


@dataclasses.dataclass(frozen=True)
class WithProperty:
    x: int

    def get(self):
        return 5

    def set(self, value):
        pass

    x = property(get, set)


@dataclasses.dataclass(frozen=True)
class Error(Exception):
    code: int


class Undecorated(Point):
    pass


Pair = collections.namedtuple("Pair", "first second")


class Entry(typing.NamedTuple):
    key: str
    value: object = None


class Vector(collections.namedtuple("Vector", "x y")):
    """The usual way to give a named tuple methods."""

    def norm(self):
        return (self.x**2 + self.y**2) ** 0.5


class SlottedVector(collections.namedtuple("SlottedVector", "x y")):
    __slots__ = ()

    def __new__(cls, *args):
        raise AssertionError("made without __new__")


class Empty(typing.NamedTuple):
    pass


def function(x=1):
    return x


class Outer:
    class Inner(enum.Enum):
        DEEP = 1

    @staticmethod
    def static():
        return "static"

    @classmethod
    def of_class(cls):
        return cls

    def method(self):
        return self


class Meta(type):
    """What a metaclass says of its classes is not asked."""

    def __getattribute__(cls, name):
        raise AssertionError(name)

    def __eq__(cls, other):
        raise AssertionError("==")

    def __hash__(cls):
        raise AssertionError("hash")


class Guarded(metaclass=Meta):
    pass


def wrapped(inner):
    @functools.wraps(inner)
    def outer(*args):
        return inner(*args)

    return outer


@wrapped
def decorated():
    return "decorated"


renamed = function
nameless = lambda: None  # noqa: E731


# The source of a module that a test makes, changes and loses.
SOURCE = """
import collections, dataclasses, enum
class Kind(enum.Enum):
    A = 1
class Access(enum.Flag):
    A = 1
    B = 2
@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object = 2
Pair = collections.namedtuple("Pair", "a b")
def function(): pass
"""


# ---- what messages take beside values


@dataclasses.dataclass
class Order:
    number: int
    lines: list = dataclasses.field(default_factory=list)
    note: str = "none"
    seed: dataclasses.InitVar[int] = 0

    def __post_init__(self, seed):
        if seed == 0:
            raise AssertionError("made with __init__")


@dataclasses.dataclass(slots=True)
class SlotOrder:
    number: int
    lines: list


@dataclasses.dataclass(eq=False)
class Node:
    """Hashed by its identity, so that it may be in a set that it refers to."""

    tag: object = None
    left: object = None
    right: object = None


@dataclasses.dataclass(eq=False, slots=True)
class SlotNode:
    tag: object = None
    left: object = None
    right: object = None


@dataclasses.dataclass
class HalfSlotted(SlotOrder):
    """Fields in slots and in a dict."""

    extra: object = None


@dataclasses.dataclass
class Blank:
    pass


class WithSlot:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class Hiding(WithSlot):
    """Instances have a slot that is no field."""

    x: int


def restore(*args):
    return ("restored", *args)


@dataclasses.dataclass
class Reduces:
    x: int

    def __reduce__(self):
        return restore, ("__reduce__", self.x)


@dataclasses.dataclass
class ReducesEx:
    x: int

    def __reduce_ex__(self, protocol):
        return restore, ("__reduce_ex__", self.x)


@dataclasses.dataclass
class GetsState:
    x: int

    def __getstate__(self):
        return {"x": self.x + 100}


@dataclasses.dataclass
class SetsState:
    x: int

    def __setstate__(self, state):
        self.x = -state["x"]


@dataclasses.dataclass
class News:
    x: int
    made = 0

    def __new__(cls, *args):
        cls.made += 1
        return super().__new__(cls)


class NewPair(collections.namedtuple("NewPair", "x y")):
    made = 0

    def __new__(cls, *args):
        cls.made += 1
        return super().__new__(cls, *args)


class ArgsPair(collections.namedtuple("ArgsPair", "x y")):
    def __getnewargs__(self):
        return (self.x, "args")


@dataclasses.dataclass(eq=False)
class Hashed:
    """Its hash is what a test wants."""

    parent: object
    hook: typing.ClassVar = None

    def __hash__(self):
        return type(self).hook(self) if type(self).hook is not None else 1


@dataclasses.dataclass
class Counted:
    x: int
    made: typing.ClassVar[int] = 0


class IteratedPair(collections.namedtuple("IteratedPair", "x y")):
    """Pickle, as tuple() does, takes what it is when iterated."""

    __slots__ = ()

    def __iter__(self):
        return iter((self[0], "iterated"))


@dataclasses.dataclass(slots=True)
class SetsAttributes:
    """Pickle sets what is in slots by setattr()."""

    x: str

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value + "!")


@dataclasses.dataclass
class ShowsAnother:
    """Pickle asks the instance itself for its dict."""

    x: int

    def __getattribute__(self, name):
        return {"x": "shown"} if name == "__dict__" else object.__getattribute__(self, name)


class Exports:
    """A buffer made by Python code."""

    def __init__(self, data):
        self.data = data

    def __buffer__(self, flags):
        return memoryview(self.data)

    def __reduce_ex__(self, protocol):
        return bytes, (pickle.PickleBuffer(self),)
