"""A crowd (tests/chaos) that talks while things happen to the servers, and the book of what it said."""
import asyncio
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "chaos"))

import gate as gates  # noqa: E402
from crowd import Crowd  # noqa: E402
from ledger import Ledger  # noqa: E402

REST_S = gates.PATIENCE_S
BEFORE, BETWEEN, AFTER = 400, 150, 800  # messages


async def until(condition, seconds):
    """Whether it came true."""
    end = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return bool(true)


async def talk(gate, count, rate, events, is_over):
    ledger = Ledger()
    crowd = Crowd(ledger, 1, rate, 200, priority=1)
    await crowd.enter(count, [gate.direct], gate.authority, 1)
    talking = asyncio.ensure_future(crowd.talk())
    assert await until(lambda: ledger.arrived_count() >= BEFORE, REST_S)
    for number, happen in enumerate(events):
        if number:
            sent = ledger.sent_count()
            assert await until(lambda: ledger.sent_count() >= sent + BETWEEN, REST_S)
        happen()
    sent = ledger.sent_count()
    assert await until(lambda: is_over() and ledger.sent_count() >= sent + AFTER, REST_S)
    crowd.talking = False
    await talking
    for member in crowd.members:
        member.ask()
    # What comes twice may come before what is still to come: the count alone does not say that all is there.
    await until(lambda: all(member.settled() for member in crowd.members) and not ledger.verdict()["lost"]["count"], REST_S)
    await crowd.leave()
    return ledger.verdict()


def talk_while(gate, count, rate, events, is_over):
    """
    So many clients, u0, u1... each, with stream management, send each other messages; after some the first of events is called, after
    some more the next one. That is over when is_over() says so, and then come more. Answers the verdict of the book, once all is
    acknowledged and what was acknowledged has come, or the time for that is over.
    """
    return asyncio.run(talk(gate, count, rate, events, is_over))
