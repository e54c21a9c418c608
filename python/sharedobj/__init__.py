"""Lock-free containers and atomics shared by interpreters and threads."""

from ._sharedobj import (
    AtomicInt,
    __version__,
    attach,
    collect,
    set_handle_lease,
    stats,
)
from ._sharedobj import __getattr__ as __getattr__

__all__ = [
    "AtomicInt",
    "ChannelClosed",
    "ChannelEmpty",
    "ChannelFull",
    "ChannelTimeout",
    "NotShareableError",
    "UnresolvedError",
    "__version__",
    "attach",
    "collect",
    "set_handle_lease",
    "stats",
]
