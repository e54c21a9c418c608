"""``concurrent.interpreters`` for 3.12 and 3.13, where the standard library has none.

``local`` is what callers see, ``remote`` its other side in the target interpreter, ``raw``
CPython's private modules. The target imports as little as possible: ``remote`` alone.
"""
