"""Messages: any picklable object, by our own encoder or by pickle."""

import collections
import copy
import datetime
import decimal
import enum
import functools
import gc
import pickle
import threading

import pytest
import values
from memory import each_allocation_fails
from values import same_graph

import sharedobj as so
from sharedobj import _sharedobj

send = _sharedobj._roundtrip_message


def by_pickle(obj):
    return pickle.loads(pickle.dumps(obj, 5))


TREES = [
    [], {}, set(), bytearray(), [[]], [{}], {"a": {}}, [set()], [1, 2.5, "x", None, True],
    {"key": [1, {"a": (2, 3)}], 1: "x", None: b"y", (1, "a"): {1, 2}}, {1.5: {2: {3: {}}}},
    {frozenset({1, 2}), "a", (1, (2,))}, bytearray(b"abc" * 100), [range(5), ..., NotImplemented],
    [1j, 2**100, -(2**70), "\ud800", "\u20ac" * 100, b"x" * 1000], ([],),
    ({"a": ([],)},), frozenset({()}),
    [[1] * 1000, list(range(1000)), [0.5] * 1000], {i: str(i) for i in range(1000)},
    [(), frozenset(), "", b""],
]  # fmt: skip


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: type(tree).__name__)
def test_trees(tree):
    result = send(tree)
    assert same_graph(result, tree)
    assert same_graph(result, by_pickle(tree))
    assert result is not tree


def test_shared_and_cyclic_references():
    a = []
    a.append(a)
    result = send(a)
    assert result[0] is result and len(result) == 1

    d = {}
    d["d"] = d
    result = send(d)
    assert result["d"] is result

    t = ([],)
    t[0].append(t)
    result = send(t)
    assert result[0][0] is result

    inner, text, data, view = [1], "text" * 50, b"data" * 50, bytearray(b"x")
    message = [inner, inner, (inner,), {"a": inner}, text, text, data, data, view, view]
    result = send(message)
    assert same_graph(result, message)
    assert result[1] is result[0] is result[2][0] is result[3]["a"]
    assert result[4] is result[5] and result[6] is result[7] and result[8] is result[9]

    pair = (1, "a")
    both = send([pair, pair, {pair: pair}, {pair}, frozenset({pair})])
    assert both[0] is both[1] is next(iter(both[2])) is both[2][both[0]] is next(iter(both[3]))

    nested = frozenset({1, frozenset({2})})
    both = send([nested, nested, {nested}])
    assert both[0] is both[1] is next(iter(both[2]))


def test_references_inside_themselves():
    a, b = [], {}
    a += [b, a, (a, b)]
    b["a"] = a
    b["b"] = b
    assert same_graph(send(a), a)
    assert same_graph(send((a, b, a)), (a, b, a))
    loop = []
    for _ in range(1000):
        loop = [loop]
    end = loop
    while end[0:]:
        end = end[0]
    end.append(loop)
    assert same_graph(send(loop), loop)


def test_what_occurs_often_is_written_once():
    big = b"x" * 1_000_000
    text = "y" * 1_000_000
    before = _sharedobj._counts()["bytes"]
    channel = so.Channel()
    channel.send([big, text] * 1000)
    assert _sharedobj._counts()["bytes"] - before < 3_000_000
    result = channel.recv()
    assert result == [big, text] * 1000
    assert len(set(map(id, result))) == 2
    value = (1, 2)
    for _ in range(100):
        value = (value, value)
    again = send(value)
    for _ in range(100):
        assert again[0] is again[1]
        again = again[0]
    assert again == (1, 2)


def test_keys_of_records_are_shared():
    records = [{f"name {i}": i for i in range(20)} for _ in range(50)]
    result = send(records)
    assert result == records
    # Most of them: they are found again through a small table.
    assert len({id(key) for record in result for key in record}) < 300


def test_random_messages():
    rng = values.rng()
    for _ in range(300):
        message = values.random_message(rng)
        result = send(message)
        assert same_graph(result, message)
        assert same_graph(result, by_pickle(message))


def test_random_messages_with_something_to_pickle():
    rng = values.rng()
    for _ in range(100):
        message = [values.random_message(rng), decimal.Decimal(5)]
        result = send(message)
        assert result[1] == message[1]
        assert same_graph(result[0], message[0])


def test_deep_messages():
    for wrap in (lambda x: [x], lambda x: {"k": x}, lambda x: (x,), lambda x: [1, (x, "a")]):
        message = depth = None
        for depth in range(100_000):  # noqa: B007
            message = wrap(message)
        result = send(message)
        steps = 0
        while result is not None:
            steps += isinstance(result, dict) or len(result) == 1 or result[0] == 1
            if isinstance(result, dict):
                result = result["k"]
            else:
                result = result[0] if len(result) == 1 or result[1] == "a" else result[1]
        assert steps == depth + 1


def test_hashed_parts_may_not_nest_too_deeply():
    inner = ()
    for _ in range(1100):
        inner = (inner,)
    for message in ([{inner}], [{"a": {inner: 1}}], [frozenset({inner})]):
        with pytest.raises(so.NotShareableError, match="nested too deeply"):
            send(message)
    assert send([inner]) == [inner]


# ---- pickled


class Plain:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class Colour(enum.Enum):
    RED = 1


class Text(str):
    pass


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "obj",
    [
        decimal.Decimal("1.50"), datetime.datetime(2024, 1, 2), Colour.RED, Point(1, 2), Text("x"),
        collections.OrderedDict(a=1), collections.Counter("hello"), functools.partial(int, "5"),
        [1, {"a": Colour.RED}], len, Plain, collections.deque([1, 2]), complex, ValueError("x"),
    ],
    ids=repr,
)  # fmt: skip
def test_the_rest_is_pickled(obj):
    result = send(obj)
    assert type(result) is type(obj)
    assert repr(result) == repr(obj)


def test_sharing_between_pickled_and_other_parts():
    inner = [1]
    plain = Plain(inner=inner)
    message = [inner, plain, {"again": inner, "plain": plain}]
    result = send(message)
    assert result[1].inner is result[0] is result[2]["again"]
    assert result[1] is result[2]["plain"]
    plain.loop = message
    result = send(message)
    assert result[1].loop is result


def test_handles_in_messages():
    channel, counter = so.Channel(), so.AtomicInt(7)
    result = send([channel, {"c": counter}, (channel, counter), {channel}])
    assert result[0] is channel and result[1]["c"] is counter
    assert result[2] == (channel, counter) and result[3] == {channel}
    result = send([Plain(a=channel, b=[counter]), channel])
    assert result[0].a is channel is result[1] and result[0].b[0] is counter
    many = [so.Channel() for _ in range(600)]
    result = send([Plain(many=many), many])
    assert all(x is y for x, y in zip(result[1], many, strict=True))
    assert result[0].many is result[1]


@pytest.mark.parametrize("pickled", [False, True])
def test_a_waiting_message_keeps_what_it_names(pickled):
    channel = so.Channel()
    reply = so.Channel()
    number = reply.id
    channel.send([Plain(reply=reply) if pickled else {"reply": reply}, {"n": so.AtomicInt(5)}])
    del reply
    gc.collect()
    so.collect()
    assert so.attach(number).id == number
    first, second = channel.recv()
    reply = first.reply if pickled else first["reply"]
    assert reply.id == number and second["n"].get() == 5
    del first, second, reply
    gc.collect()
    so.collect()
    with pytest.raises(LookupError):
        so.attach(number)


def test_a_waiting_message_dies_with_its_channel():
    channel = so.Channel()
    channel.send([so.Channel(), [so.AtomicInt()], {"x" * 100: Plain(c=so.Channel())}])
    del channel  # the balance is checked after each test


# ---- what cannot be sent


def test_unpicklable():
    channel = so.Channel()
    for message, path in [
        (threading.Lock(), r"message is a _thread\.lock"),
        ([1, {"a": threading.Lock()}], r"message\[1\]\['a'\] is a _thread\.lock"),
        ({"x": (1, [lambda: 1])}, r"message\['x'\]\[1\]\[0\] is a function"),
        ([gc, 1], r"message\[0\] is a module"),
        ({frozenset({threading.Lock()})}, r"message\{\.\.\.\}\{\.\.\.\} is a _thread\.lock"),
        ({threading.Lock(): 1}, r"message\{key\} is a _thread\.lock"),
    ]:
        with pytest.raises(so.NotShareableError, match=path + ", and the") as caught:
            channel.send(message)
        assert isinstance(caught.value.__cause__, Exception)
        assert channel.qsize() == 0


class Raises:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class BadText(Exception):
    def __str__(self):
        raise ZeroDivisionError


def test_what_pickling_raises_is_the_cause():
    for error in (ValueError("reason"), KeyError("k"), RecursionError("deep"), BadText()):
        with pytest.raises(so.NotShareableError) as caught:
            send([Raises(error)])
        assert caught.value.__cause__ is error
    for error in (MemoryError(), KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(error)):
            send([Raises(error)])


def explode(text):
    raise ZeroDivisionError(text)


class Explodes:
    def __reduce__(self):
        return explode, ("at the receiver",)


def test_undecodable_is_consumed():
    channel = so.Channel()
    channel.send([Explodes()])
    channel.send("next")
    with pytest.raises(ZeroDivisionError, match="at the receiver"):
        channel.recv()
    assert channel.recv() == "next"
    assert channel.qsize() == 0


class Mutates:
    """Changes the message while it is being pickled."""

    def __init__(self, message):
        self.message = message

    def __reduce__(self):
        self.message.clear()
        gc.collect()
        return str, ("gone",)


def test_messages_that_change_while_they_are_encoded():
    for size in (1, 10, 1000):
        message = [[i] for i in range(size)]
        message.insert(size // 2, Mutates(message))
        try:
            send(message)
        except (RuntimeError, so.NotShareableError):
            pass  # as pickle decides
        mapping = {i: [i] for i in range(size)}
        mapping["x"] = Mutates(mapping)
        try:
            send(mapping)
        except (RuntimeError, so.NotShareableError):
            pass


def test_messages_that_other_threads_change():
    """What arrives is made of whole parts; nothing crashes."""
    shared_list = [[i] for i in range(50)]
    shared_dict = {i: (i, str(i)) for i in range(50)}
    shared_set = set(range(50))
    data = bytearray(100)
    message = [shared_list, shared_dict, shared_set, data]
    stop = threading.Event()

    def change():
        i = 0
        while not stop.is_set():
            i += 1
            shared_list.append([i])
            shared_list.pop(0)
            if i % 7 == 0:
                shared_list[:] = [[i + j] for j in range(i % 90)] or [[i]]
            shared_dict.pop(i % 80, None)
            shared_dict[i % 80] = (i % 80, str(i % 80))
            shared_set.add(i % 80)
            shared_set.discard((i + 1) % 80)
            data.extend(b"x")
            del data[50:]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(1500):
            a, b, c, d = send(message)
            assert all(type(x) is list and len(x) == 1 for x in a)
            assert all(v == (k, str(k)) for k, v in b.items())
            assert all(0 <= x < 80 for x in c)
            assert type(d) is bytearray
    finally:
        stop.set()
        thread.join()


def test_every_allocation_may_fail():
    message = [list(range(300)), {"a": ["b" * 100, "b" * 100]}, so.Channel(), 2**80, {1, 2}]
    for wrapped in (message, [Plain(m=message), "x" * 1000]):
        result, after = each_allocation_fails(lambda wrapped=wrapped: send(wrapped))
        assert len(result) == len(wrapped) and after > 1


def test_the_sender_keeps_its_own():
    message = {"list": [1, 2], "set": {3}}
    kept = copy.deepcopy(message)
    channel = so.Channel()
    channel.send(message)
    message["list"].append(9)
    message["set"].clear()
    assert channel.recv() == kept


# ---- buffers


class Gives:
    """Gives pickle its buffer, as arrays do."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Gives, (pickle.PickleBuffer(self.data),)


@pytest.mark.parametrize("size", [0, 1, 100, 5_000_000])
def test_buffers(size):
    for data in (bytearray(b"x" * size), b"y" * size):
        result = send([Gives(data), Gives(data), pickle.PickleBuffer(data), data])
        in_band = by_pickle([Gives(data), Gives(data), pickle.PickleBuffer(data), data])
        for mine, theirs in zip(result[:2], in_band[:2], strict=True):
            assert type(mine.data) is type(theirs.data) is type(data) and mine.data == data
        assert type(result[2]) is type(in_band[2]) and result[2] == data
        if type(data) is bytearray:
            result[0].data.extend(b"more")  # the receiver's own
            assert result[1].data == result[2] == result[3] == data


def test_buffers_of_other_forms():
    table = memoryview(bytearray(range(24))).cast("B", (4, 6))
    assert send(pickle.PickleBuffer(table)) == bytearray(range(24))
    with pytest.raises(so.NotShareableError, match="non-contiguous"):
        send([pickle.PickleBuffer(memoryview(bytearray(10))[::2])])
    released = pickle.PickleBuffer(b"x")
    released.release()
    with pytest.raises(so.NotShareableError, match="released"):
        send([released])


class Releases:
    def __init__(self, buffer):
        self.buffer = buffer

    def __reduce__(self):
        self.buffer.release()
        return str, ("released",)


def test_a_buffer_that_goes_away_while_the_message_is_pickled():
    class Source:
        def __reduce_ex__(self, protocol):
            return bytes, (buffer,)

    buffer = pickle.PickleBuffer(bytearray(b"abc"))
    channel = so.Channel()
    with pytest.raises(so.NotShareableError, match="released") as caught:
        channel.send([Source(), Releases(buffer)])
    assert isinstance(caught.value.__cause__, ValueError) and channel.qsize() == 0


def test_large_data_is_there_once():
    data = bytearray(8_000_000)
    for message in (data, [1, data], Gives(data), [pickle.PickleBuffer(data)], bytes(data)):
        channel = so.Channel()
        before = _sharedobj._counts()["bytes"]
        channel.send(message)
        assert 8_000_000 <= _sharedobj._counts()["bytes"] - before < 8_100_000
        assert type(channel.recv()) is type(message) or not isinstance(message, Gives)


def test_allocations_of_buffers_may_fail():
    message = [Gives(bytearray(100)), so.Channel(), {"x": Gives(b"y" * 100_000)}]
    result, after = each_allocation_fails(lambda: send(message))
    assert result[0].data == bytearray(100) and result[1] is message[1] and after > 1


def test_arrays():
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(1000.0).reshape(20, 50)
    plain, turned, again = send([array, array.T, {"again": array}])
    assert plain is again["again"] and (plain == array).all() and (turned == array.T).all()
    plain[0, 0] = 5  # the receiver's own
    assert array[0, 0] == 0 and turned[0, 0] == 0 and turned.flags.f_contiguous
    assert (send(array[::2, ::3]) == array[::2, ::3]).all()
    array.flags.writeable = False
    assert not send(array).flags.writeable
