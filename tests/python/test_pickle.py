"""Handles in pickles."""

import copyreg
import os
import pickle
import subprocess
import sys

import pytest

import sharedobj
from sharedobj import AtomicInt, set_handle_lease, stats

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_names_the_object(protocol):
    a = AtomicInt(1)
    assert pickle.loads(pickle.dumps(a, protocol)) is a
    tree = {"list": [a, (a,)], "further": a.local()}
    loaded = pickle.loads(pickle.dumps(tree, protocol))
    assert loaded["list"][0] is a and loaded["list"][1][0] is a and loaded["further"] is a
    assert stats()["tickets"] == 0


def test_the_python_pickler():
    a = AtomicInt(1)
    assert pickle._loads(pickle._dumps([a])) == [a]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_keeps_a_temporary_alive(protocol):
    before = stats()["objects"]
    data = pickle.dumps({"reply": AtomicInt(7)}, protocol)
    assert stats()["objects"] == before + 1 and stats()["tickets"] == 1
    reply = pickle.loads(data)["reply"]
    assert reply.get() == 7 and stats()["tickets"] == 0
    # Later loads find it as long as somebody keeps it.
    assert pickle.loads(data)["reply"] is reply
    del reply
    with pytest.raises(LookupError, match="gone"):
        pickle.loads(data)


def token_of(handle):
    function, arguments = handle.__reduce__()
    function(*arguments)
    return function, arguments


def test_tokens_are_checked():
    a = AtomicInt(1)
    attach, good = token_of(a)
    assert attach(*good) is a
    nonce0, nonce1, kind, id_, ticket = good
    forged = [
        (nonce0 ^ 1, nonce1, kind, id_, ticket),
        (nonce0, nonce1 ^ (1 << 63), kind, id_, ticket),
        (nonce0, nonce1, "SharedDict", id_, ticket),
        (nonce0, nonce1, "", id_, ticket),
        (nonce0, nonce1, "Atomic\udc80", id_, ticket),
        (nonce0, nonce1, kind, id_ + 1, ticket),
        (nonce0, nonce1, kind, id_ + (1 << 32), ticket),
        (nonce0, nonce1, kind, 0, ticket),
        (nonce0, nonce1, kind, -1, ticket),
        (nonce0, nonce1, kind, 2**63, ticket),
        (nonce0, nonce1, kind, 2**64, ticket),
        (nonce0, nonce1, kind, id_, -1),
        (nonce0, nonce1, kind, id_, 10**30),
        (nonce0, nonce1, kind, id_, 1.0),
        (nonce0, nonce1, kind, None, ticket),
        (nonce0, nonce1, 5, id_, ticket),
        (nonce0, nonce1, kind, id_),
        (nonce0, nonce1, kind, id_, ticket, 0),
        (),
    ]
    for token in forged:
        with pytest.raises(LookupError, match="pickle"):
            attach(*token)
    # An unknown ticket does no harm: the id says which object it is.
    for ticket in (0, 1, 2**32 + 1, 2**64 - 1):
        assert attach(nonce0, nonce1, kind, id_, ticket) is a


def test_another_process(run_python):
    """A process that was started afresh, and what was pickled by one that has ended."""
    data = pickle.dumps(AtomicInt(1))
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))"
    done = run_python(code, expected=1, args=[data.hex()])
    assert "LookupError" in done.stderr and "another process" in done.stderr
    done = run_python("import pickle, sharedobj as so; print(pickle.dumps(so.AtomicInt(1)).hex())")
    with pytest.raises(LookupError, match="another process"):
        pickle.loads(bytes.fromhex(done.stdout))
    pickle.loads(data)


def test_a_fork_child(run_python):
    """The child has a private copy of the objects, and pickles from before name none."""
    run_python(
        """if 1:
        import os, pickle, sharedobj
        a = sharedobj.AtomicInt(5)
        data = pickle.dumps(a)
        if (pid := os.fork()) == 0:
            code = 1
            try:
                try:
                    pickle.loads(data)
                except LookupError as error:
                    assert "fork" in str(error)
                else:
                    raise AssertionError("loaded")
                assert sharedobj.attach(a.id) is a
                assert pickle.loads(pickle.dumps(a)) is a
                a += 1
                b = sharedobj.AtomicInt(a)
                assert a == b == 6
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert a == 5 and pickle.loads(data) is a
        """
    )


def test_multiprocessing_says_so(run_python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import multiprocessing, sys, sharedobj\n"
        "def work(a): pass\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    child = context.Process(target=work, args=(sharedobj.AtomicInt(1),))\n"
        "    child.start(); child.join()\n"
        "    sys.exit(child.exitcode != 1)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0 and "LookupError" in done.stderr, done.stderr


def test_the_lease():
    """What nobody loads is let go of when the lease ends."""
    assert set_handle_lease(0) == 600
    try:
        dead = pickle.dumps(AtomicInt(1))
        keep = AtomicInt(2)
        living = pickle.dumps(keep)
        # The next one drops the expired ones, and so does collect().
        assert pickle.loads(living) is keep
        set_handle_lease(60)
        pickle.loads(pickle.dumps(keep))
        with pytest.raises(LookupError, match="lease"):
            pickle.loads(dead)
        set_handle_lease(0)
        pickle.dumps(AtomicInt(3))
        sharedobj.collect()
        assert stats()["tickets"] == 0
        set_handle_lease(60)
    finally:
        assert set_handle_lease(600) == 60
    for bad, error in [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError)]:
        with pytest.raises(error):
            set_handle_lease(bad)
    assert set_handle_lease(float("inf")) == 600
    data = pickle.dumps(AtomicInt(3))
    assert pickle.loads(data).get() == 3
    assert set_handle_lease(600) == float("inf")


def test_a_failing_pickle_leaves_a_ticket_until_its_lease_ends():
    set_handle_lease(0)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps([AtomicInt(1), lambda: None])
    set_handle_lease(600)
    a = AtomicInt(1)
    pickle.loads(pickle.dumps(a))
    assert stats()["tickets"] == 0


def test_reduce_is_found_by_copyreg_users():
    a = AtomicInt(1)
    for protocol in PROTOCOLS:
        function, arguments = a.__reduce_ex__(protocol)
        assert function(*arguments) is a
    assert copyreg.dispatch_table.get(AtomicInt) is None
    assert os.path.dirname(sharedobj.__file__) in sharedobj._sharedobj.__file__
