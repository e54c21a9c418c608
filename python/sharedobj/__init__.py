"""Lock-free containers and atomics shared by interpreters and threads.

sharedobj.interpreters makes interpreters and runs functions in them; sharedobj.registry is a
SharedDict that every interpreter has from the start.
"""

# Not collections.abc: this one is there in every interpreter, whatever its path.
from _collections_abc import (
    ItemsView,
    KeysView,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
    ValuesView,
)

from . import _sharedobj
from ._sharedobj import (
    DELETE,
    MISSING,
    AtomicInt,
    Channel,
    Queue,
    Receiver,
    Sender,
    SharedArray,
    SharedDict,
    SharedList,
    SharedSet,
    __version__,
    attach,
    collect,
    explain,
    immortal,
    immortal_limit,
    is_shareable,
    select,
    set_handle_lease,
    set_importable,
    stats,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import interpreters
    from ._sharedobj import (
        ChannelClosed,
        ChannelEmpty,
        ChannelEmptyTimeout,
        ChannelFull,
        ChannelFullTimeout,
        ChannelTimeout,
        NotShareableError,
        SelectTimeout,
        UnresolvedError,
        registry,
    )

__all__ = [
    "DELETE",
    "MISSING",
    "AtomicInt",
    "Channel",
    "ChannelClosed",
    "ChannelEmpty",
    "ChannelEmptyTimeout",
    "ChannelFull",
    "ChannelFullTimeout",
    "ChannelTimeout",
    "NotShareableError",
    "Queue",
    "Receiver",
    "SelectTimeout",
    "Sender",
    "SharedArray",
    "SharedDict",
    "SharedList",
    "SharedSet",
    "UnresolvedError",
    "__version__",
    "attach",
    "collect",
    "explain",
    "immortal",
    "immortal_limit",
    "interpreters",
    "is_shareable",
    "registry",
    "select",
    "set_handle_lease",
    "set_importable",
    "stats",
]

MutableMapping.register(SharedDict)
MutableSequence.register(SharedList)
MutableSet.register(SharedSet)
Sequence.register(SharedArray)
KeysView.register(_sharedobj.SharedDictKeys)
ValuesView.register(_sharedobj.SharedDictValues)
ItemsView.register(_sharedobj.SharedDictItems)


def __dir__() -> list[str]:
    """With what __getattr__ makes; without what is not for users."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> "Any":
    """What is made when first asked for: it costs milliseconds in every interpreter."""
    if name == "interpreters":
        from importlib import import_module

        return import_module("sharedobj.interpreters")
    return _sharedobj.__getattr__(name)
