"""The verifier's blocks, walked in processes of their own: a Merkle tree's subtrees need nothing of each other.

Each child has a connection of its own, every n-th block and every n-th list; it says what each came to as soon as the
parent takes it, so that neither holds more than a block. Parent and child are one program and trust each other.
"""

import contextlib
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from audit.verify_entries import Block, Part, Task, walk
from audit.verify_lists import LISTS, Total
from audit.verify_source import UnreadableError, opened


def look_apart(blocks: Sequence[Block], task: Task, *, processes: int) -> Iterator[Part | Total]:
    """Walk the blocks in so many processes, then read the lists; yield what each comes to, in order.

    Raises:
        UnreadableError: one of them could not read its blocks to the end.
    """
    with ExitStack() as stack:
        children = []
        for place in range(processes):
            asked = task, blocks[place::processes], LISTS[place::processes]
            children.append(stack.enter_context(_child(pickle.dumps(asked))))
        for child in children:
            stack.callback(child.kill)  # if nobody wants the rest
        for count in (len(blocks), len(LISTS)):
            for place in range(count):
                yield _next(children[place % processes])


def _child(asked: bytes) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(  # noqa: S603 our own program
        [sys.executable, "-I", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("VALV_")},
    )
    assert child.stdin is not None  # noqa: S101 for the type
    with contextlib.suppress(BrokenPipeError):  # then its silence says so
        child.stdin.write(asked)
        child.stdin.close()
    return child


def _next(child: "subprocess.Popen[bytes]") -> Part | Total:
    assert child.stdout is not None  # noqa: S101 for the type
    try:
        told = pickle.load(child.stdout)  # noqa: S301 our own program's
    except (EOFError, pickle.UnpicklingError):
        raise UnreadableError("a process of the verifier's ended") from None
    match told:
        case Part() | Total():
            return told
        case _:
            raise UnreadableError(str(told))


def main() -> None:
    """Be a child: answer what standard input asks."""
    gc.disable()  # nothing here holds itself, and going through a million short-lived rows takes time
    task, blocks, lists = pickle.load(sys.stdin.buffer)  # noqa: S301 our own program's
    try:
        with opened(task.log, task.snapshot) as source:
            for block in blocks:
                _say(walk(source, block, task))
            for kind in lists:
                _say(source.total(kind, task.seen, task.key))
    except UnreadableError as error:
        _say(str(error))


def _say(told: object) -> None:
    pickle.dump(told, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
