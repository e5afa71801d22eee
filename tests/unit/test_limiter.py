"""Places in buckets, on a clock that the test sets: no engine, no loop."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.errors import DeclarationError
from stretto.limits.adaptive import Adaptive
from stretto.limits.buckets import Bucket, Party, Ticket
from stretto.limits.limiter import Limiter
from stretto.limits.overload import Refusal, refusal
from stretto.limits.rates import Rate, Window
from stretto.limits.tokens import estimate, used


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A limiter, and who has been let in."""

    def __init__(self) -> None:
        self.clock = Clock()
        #: When the limiter is to be called, and what.
        self.later: list[tuple[float, Any]] = []
        self.limiter = Limiter(
            self.clock, lambda after, work: self.later.append((self.clock.now + after, work))
        )
        self.let_in: list[Ticket] = []

    def enter(self, party: Party, *buckets: Bucket, level: float = 0, tokens: float = 0) -> Ticket:
        ticket = Ticket(World, party, buckets, self._lets_in, tokens)
        ticket.level = level
        if self.limiter.enter(ticket):
            self._lets_in(ticket)
        return ticket

    def _lets_in(self, ticket: Ticket) -> bool:
        self.let_in.append(ticket)
        self.limiter.starts(ticket)
        return True

    def go_on(self) -> bool:
        """Go on to the next time for which the limiter waits, if there is any."""
        if not self.later:
            return False
        now = min(at for at, _ in self.later)
        due = [work for at, work in self.later if at == now]
        self.later = [(at, work) for at, work in self.later if at != now]
        self.clock.now = max(now, self.clock.now)
        for work in due:
            work()
        return True


# Rates


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [
        ("600/min", 600, 60),
        ("90_000/min", 90_000, 60),
        ("90,000 / minute", 90_000, 60),
        ("5/s", 5, 1),
        ("5 per second", 5, 1),
        ("100/15min", 100, 900),
        ("1000/day", 1000, 86400),
        ("2/0.5s", 2, 0.5),
    ],
)
def test_rates_as_people_write_them(text: str, count: int, seconds: float) -> None:
    rate = Rate.parse(text)
    assert (rate.count, rate.seconds, str(rate)) == (count, seconds, text)


@pytest.mark.parametrize(
    "text", ["", "600", "600/", "x/min", "0/min", "5/0s", "5/fortnight", "-5/s", f"5/{'9' * 400}s", 600, None]
)
def test_what_is_no_rate(text: object) -> None:
    with pytest.raises(DeclarationError, match="a rate is a number and a time, as in '600/min'"):
        Rate.parse(text)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 7)), max_size=60), st.integers(1, 12))
def test_no_window_holds_more_than_the_rate(steps: list[tuple[float, int]], count: int) -> None:
    window, now = Window(Rate(count, 10.0, "")), 0.0
    taken: list[tuple[float, int]] = []
    for pause, amount in steps:
        now += pause
        if not window.room(amount, now):
            due = window.due(amount, now)
            assert due > now
            before = due - 1e-6
            assert not window.room(amount, before)
            assert window.room(amount, due)
            now = due
        window.take(amount, now)
        taken.append((now, amount))
    for at, _ in taken:
        inside = [amount for when, amount in taken if at <= when < at + 10.0]
        # what is more than the whole rate goes alone
        assert sum(inside) <= count or len(inside) == 1 or max(inside) > count


def test_what_turned_out_to_be_less_makes_room() -> None:
    window = Window(Rate(100, 60.0, ""))
    entry = window.take(100, 0.0)
    assert not window.room(10, 1.0)
    window.settle(entry, 20, 2.0)
    assert window.room(80, 3.0) and not window.room(81, 3.0)
    window.settle(entry, 500, 200.0)  # long forgotten
    assert window.room(100, 200.0)


def test_a_window_of_a_high_rate_keeps_few_entries_and_never_holds_more() -> None:
    window, draw, now = Window(Rate(20_000, 10.0, "")), random.Random(2), 0.0
    taken: list[float] = []
    while len(taken) < 60_000:
        now += draw.expovariate(1 / 0.0003)
        if not window.room(1, now):
            now = window.due(1, now)
            assert window.room(1, now)
        window.settle(window.take(3, now), 1, now)
        taken.append(now)
        assert len(window._log) <= 2_002
    assert all(late - early >= 10.0 for early, late in zip(taken, taken[20_000:], strict=False))
    assert window.room(20_000, now + 11.0)


def test_fractions_of_tokens_leave_nothing_behind() -> None:
    window, draw, now = Window(Rate(100, 1.0, "")), random.Random(1), 0.0
    for _ in range(50_000):
        now += draw.random() / 20
        amount = draw.random() * 7
        if window.room(amount, now):
            window.take(amount, now)
    assert window.room(100, now + 2.0)  # which it would wait for, with nothing to wait for


# Buckets by key


def test_a_bucket_that_somebody_has_asked_for_is_the_same_for_others() -> None:
    limiter = World().limiter
    asked = limiter.bucket("a", lambda: Bucket("a", most=1))
    for key in range(1000):
        limiter.bucket(key, lambda: Bucket("other", most=1))
    assert limiter.bucket("a", lambda: Bucket("a", most=1)) is asked
    assert len(limiter.buckets) < 200  # nobody has the others


# Who comes next


def test_parties_share_fairly() -> None:
    world = World()
    bucket = Bucket("b", most=2)
    many, few = Party(), Party()
    crowd = [world.enter(many, bucket) for _ in range(10)]
    late = [world.enter(few, bucket) for _ in range(3)]
    world.limiter.end(crowd[0])
    assert world.let_in[-1] is late[0]
    world.limiter.end(crowd[1])
    assert world.let_in[-1] is crowd[2]  # each has one now
    world.limiter.end(late[0])
    assert world.let_in[-1] is late[1]


def test_within_a_party_it_is_the_longest_path_and_now_and_then_the_eldest() -> None:
    world = World()
    bucket, party = Bucket("b", most=1), Party()
    running = world.enter(party, bucket)
    waiting = [world.enter(party, bucket, level=level) for level in range(40)]
    order: list[int] = []
    for _ in range(40):
        world.limiter.end(running)
        running = world.let_in[-1]
        order.append(waiting.index(running))
    assert sorted(order) == list(range(40)) and order[:15] == list(range(39, 24, -1))
    assert order.index(0) < 16  # it had the shortest path of all


def test_who_needs_two_places_holds_none_while_waiting() -> None:
    world = World()
    one, other, party = Bucket("one", most=1), Bucket("other", most=1), Party()
    first = world.enter(party, other)
    both = world.enter(party, one, other)
    assert not both.granted
    third = world.enter(party, one)
    assert third.granted  # though `both` wants it, too
    world.limiter.end(first)
    assert not both.granted
    world.limiter.end(third)
    assert both.granted and (one.active, other.active) == (1, 1)


def test_who_gives_up_lets_others_in() -> None:
    world = World()
    bucket, party = Bucket("b", most=1), Party()
    first, second, third = (world.enter(party, bucket) for _ in range(3))
    world.limiter.withdraw(second)
    world.limiter.withdraw(first)
    assert third.granted and not second.granted
    world.limiter.withdraw(third)
    world.limiter.end(third)
    assert (bucket.active, bucket.waiting) == (0, 0)


def test_who_is_forced_waits_for_no_place_but_for_the_rate() -> None:
    world = World()
    bucket, party = Bucket("b", most=1, rate=Rate(2, 10.0, "")), Party()
    world.enter(party, bucket)
    second, third = world.enter(party, bucket), world.enter(party, bucket)
    world.limiter.force(second)
    assert second.granted and bucket.active == 2
    world.limiter.force(third)
    assert not third.granted
    assert world.go_on()
    assert 10.0 < world.clock.now < 10.2
    assert third.granted


def test_a_rate_counts_from_when_calls_start() -> None:
    world = World()
    bucket, party = Bucket("b", rate=Rate(2, 10.0, "")), Party()
    slow = [Ticket(World, party, [bucket], lambda _: True) for _ in range(2)]
    assert all(world.limiter.enter(ticket) for ticket in slow)
    third, fourth = world.enter(party, bucket), world.enter(party, bucket)
    world.clock.now = 20.0
    world.limiter.poll([bucket])
    assert not third.granted and not world.later  # who knows when those will start
    world.limiter.starts(slow[0])
    world.limiter.withdraw(slow[1])  # it never did
    assert third.granted and not fourth.granted
    assert world.go_on() and 30.0 < world.clock.now < 30.2
    assert fourth.granted


def test_nobody_is_there_any_more() -> None:
    world = World()
    bucket, party = Bucket("b", most=1), Party()
    first = world.enter(party, bucket)
    gone = [Ticket(World, party, [bucket], lambda _: False) for _ in range(3000)]
    assert not any([world.limiter.enter(ticket) for ticket in gone])
    last = world.enter(party, bucket)
    world.limiter.end(first)
    assert last.granted and (bucket.active, bucket.waiting) == (1, 0)


def test_a_place_that_comes_back_while_the_limiter_is_busy() -> None:
    """As when a coroutine is collected in the midst of its work."""
    world = World()
    bucket, party = Bucket("b", most=1), Party()
    first, second = world.enter(party, bucket), world.enter(party, bucket)

    def make() -> Bucket:
        world.limiter.end(first)
        world.limiter.withdraw(second)
        return Bucket("other")

    world.limiter.bucket("other", make)
    while world.go_on():
        pass
    assert (bucket.active, bucket.waiting) == (0, 0)


def test_those_who_gave_up_are_forgotten_though_somebody_waits() -> None:
    world = World()
    bucket, party = Bucket("b", most=1), Party()
    first, second = world.enter(party, bucket, level=2.0), world.enter(party, bucket, level=1.0)
    for _ in range(20_000):
        world.limiter.withdraw(world.enter(party, bucket))
    (queue,) = bucket._queues.values()
    assert max(len(queue.heap), len(queue.eldest), len(bucket._order)) < 1000
    world.limiter.end(first)
    assert second.granted


def test_what_was_found_out_is_forgotten_one_day() -> None:
    world = World()
    for key in range(5000):
        bucket = world.limiter.bucket(key, lambda: Bucket("b", adaptive=Adaptive()))
        world.limiter.end(world.enter(Party(), bucket))
        world.clock.now += 10.0
    assert len(world.limiter.buckets) < 500


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 6), st.integers(2, 60))
def test_limits_hold_and_nobody_is_forgotten(seed: int, buckets: int, parties: int, tickets: int) -> None:
    draw, world = random.Random(seed), World()
    made = [
        Bucket(
            f"b{i}",
            most=draw.choice([None, 1, 2, 5]),
            rate=draw.choice([None, Rate(draw.randint(1, 9), draw.choice([1.0, 10.0]), "")]),
            tokens=draw.choice([None, Rate(50, 10.0, "")]),
        )
        for i in range(buckets)
    ]
    who = [Party() for _ in range(parties)]
    running: list[Ticket] = []
    starts: dict[Bucket, list[tuple[float, float]]] = {bucket: [] for bucket in made}
    asked: list[Ticket] = []

    def note() -> None:
        while world.let_in:
            ticket = world.let_in.pop()
            running.append(ticket)
            for bucket in ticket.buckets:
                starts[bucket].append((world.clock.now, ticket.tokens))
                assert bucket.most is None or bucket.active <= bucket.most

    for _ in range(tickets):
        wanted = draw.sample(made, draw.randint(1, buckets))
        asked.append(world.enter(draw.choice(who), *wanted, level=draw.random(), tokens=draw.randint(0, 60)))
        note()
        if running and draw.random() < 0.5:
            world.limiter.end(running.pop(draw.randrange(len(running))))
            note()
    for _ in range(100 * tickets):
        waiting = [ticket for ticket in asked if not ticket.granted]
        if not waiting:
            break
        if running:
            world.limiter.end(running.pop(draw.randrange(len(running))))
        else:
            assert world.go_on()
        note()
    assert all(ticket.granted for ticket in asked)
    for bucket in made:
        if bucket.window is not None:
            rate = bucket.window.rate
            times = [at for at, _ in starts[bucket]]
            for i in range(rate.count, len(times)):
                assert times[i] - times[i - rate.count] >= rate.seconds


# What a server can take


def test_a_limit_is_found() -> None:
    """A server that takes 20 at once, and 1 s for each: refuses more."""
    world, draw = World(), random.Random(7)
    bucket, party = Bucket("b", adaptive=Adaptive()), Party()
    assert bucket.adaptive is not None
    running: list[tuple[float, bool, Ticket]] = []
    refused = served = 0
    waiting = [world.enter(party, bucket) for _ in range(2000)]
    found: list[int] = []
    while world.let_in or running:
        while world.let_in:
            ticket = world.let_in.pop()
            taken = sum(not no for _, no, _ in running) < 20
            running.append(
                (world.clock.now + (1 + draw.random() * 0.1 if taken else 0.01), not taken, ticket)
            )
        if not running:
            break
        running.sort(key=lambda r: r[0])
        world.clock.now, no, ticket = running.pop(0)
        ticket.well = not no
        if no:
            refused += 1
            ticket.refused = refusal(Refused(429, {"retry-after": "0.2"}))
        else:
            served += 1
        world.limiter.end(ticket)
        found.append(bucket.adaptive.most)
        if not world.let_in and not running:
            world.clock.now = max(world.clock.now, bucket.adaptive.paused)
            world.limiter.poll([bucket])
    assert served + refused == len(waiting)
    assert refused < 0.05 * served
    assert 10 <= sorted(found)[len(found) // 2] <= 21


def test_it_does_not_grow_while_calls_take_longer_than_at_best() -> None:
    adaptive = Adaptive()
    for _ in range(20):
        adaptive.returned(0.1, adaptive.most)
    assert adaptive.most == 28  # one more for each: twice as many each round
    for _ in range(60):
        adaptive.returned(0.5, adaptive.most)
    before = adaptive.most
    for _ in range(200):
        adaptive.returned(0.5, adaptive.most)
    assert adaptive.most == before
    adaptive.ended(10.0, 11.0, before, False, Refusal(3.0))
    assert adaptive.most == before // 2 and adaptive.paused == 14.0
    adaptive.ended(10.5, 11.1, before, False, Refusal(None))  # it was under way by then
    assert adaptive.most == before // 2 and adaptive.paused == 14.0


class Refused(Exception):
    def __init__(self, status: object, headers: object = None, name: str = "status_code") -> None:
        super().__init__(status)
        setattr(self, name, status)
        self.headers = headers


class Answered(Exception):
    def __init__(self, status: int, headers: object) -> None:
        self.response = Refused(status, headers)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (Refused(429), "None"),
        (Refused(503, {"retry-after": "7"}), "7.0"),
        (Refused(529, {"retry-after-ms": "250"}, name="status"), "0.25"),
        (Refused(429, {"Retry-After": "3"}, name="code"), "3.0"),
        (Answered(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), "0.0"),
        (Refused(429, {"retry-after": "soon"}), "None"),
        (Refused(429, {"retry-after": "nan"}), "None"),
        (Refused(429, {"retry-after-ms": "1e999"}), "None"),
        (Refused(500), "no"),
        (Refused("429"), "no"),
        (ValueError("429"), "no"),
    ],
)
def test_what_a_refusal_says(error: Exception, found: str) -> None:
    said = refusal(error)
    assert ("no" if said is None else str(said.retry_after)) == found


def test_tokens() -> None:
    assert estimate(("a" * 400, ["b" * 40, {"c": "d" * 4}]), {"max_tokens": 50}) == 111 + 50
    assert estimate((1, None), {}) == 1
    assert used({"usage": {"total_tokens": 12}}) == 12
    assert used({"usage": {"input_tokens": 5, "output_tokens": 6}}) == 11
    assert used("text") is None and used({"usage": None}) is None


@pytest.mark.parametrize("said", [-1, 10**400, True, None, "9"])
def test_a_number_of_tokens_that_cannot_be(said: object) -> None:
    assert (used({"usage": {"total_tokens": said}}) or 0) in (0, 1)
    assert 1 <= estimate((), {"max_tokens": said}) <= 10**12 + 1


@pytest.mark.parametrize("told", [0.0, 1e12])
def test_what_calls_use_is_expected_within_reason(told: float) -> None:
    world, bucket = World(), Bucket("b", tokens=Rate(10, 1.0, ""))
    for _ in range(500):
        world.clock.now += 2.0
        ticket = world.enter(Party(), bucket, tokens=5 * world.limiter.correction(World))
        assert ticket.granted
        ticket.used = told
        world.limiter.end(ticket)
    assert 0.001 <= world.limiter.correction(World) <= 1000


def test_who_goes_between_grant_and_start_leaves_nothing_behind() -> None:
    clock = Clock()
    later: list[tuple[float, Any]] = []
    limiter = Limiter(clock, lambda after, work: later.append((clock.now + after, work)), leave=True)
    bucket = Bucket("b", rate=Rate.parse("2/s"), tokens=Rate.parse("10/s"))
    here = [True]
    party, other = Party(lambda: not here[0]), Party()
    granted = [Ticket(World, party, [bucket], lambda _: True, 5) for _ in range(2)]
    assert all([limiter.enter(ticket) for ticket in granted])
    here[0] = False  # before any of them has started
    woken: list[Ticket] = []
    waiting = Ticket(World, other, [bucket], lambda ticket: not woken.append(ticket), 10)
    assert not limiter.enter(waiting)
    while later and not woken:
        clock.now, work = later.pop(0)
        work()
    assert woken == [waiting]
    limiter.end(granted[0])  # told late: it does not count twice
    limiter.starts(waiting)
    assert not bucket.room(Ticket(World, other, [bucket], lambda _: True, 1), clock.now)
