"""The front counts, delays, records and replays what passes."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from front import Front

from tests.waiting import PATIENCE, until


def ask(front: Front, prompt: str) -> str:
    body = json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
    with urllib.request.urlopen(f"{front.base_url}/chat/completions", body, timeout=PATIENCE) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def test_it_counts_and_delays(pretend_model: Any) -> None:
    with Front(pretend_model.base_url) as front:
        traffic = front.watch(delay=0.2)
        began = time.perf_counter()
        threads = [threading.Thread(target=ask, args=(front, f"Question {n}.")) for n in range(5)]
        with pretend_model.holding:
            for thread in threads:
                thread.start()
            until(lambda: traffic.requests == 5)
        for thread in threads:
            thread.join()
        assert time.perf_counter() - began >= 0.2
        assert (traffic.requests, traffic.most_at_once) == (5, 5)

        traffic = front.watch()
        ask(front, "One.")
        ask(front, "Two.")
        assert (traffic.requests, traffic.most_at_once) == (2, 1)


def test_it_waits_for_what_is_under_way(pretend_model: Any) -> None:
    with Front(pretend_model.base_url) as front:
        traffic = front.watch()
        asking = threading.Thread(target=ask, args=(front, "Tides."))
        waiting = threading.Thread(target=traffic.wait_until_idle)
        with pretend_model.holding:
            asking.start()
            until(lambda: traffic.requests)
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive()
            assert not traffic.answers
        waiting.join()
        assert len(traffic.answers) == 1
        asking.join()


def test_it_gives_recorded_answers_again(pretend_model: Any) -> None:
    pretend_model.moody = True
    with Front(pretend_model.base_url) as front:
        recorded = front.watch()
        first = ask(front, "Tides.")
        front.watch()
        assert ask(front, "Tides.") != first
        front.watch(replay=recorded.answers)
        assert ask(front, "Tides.") == first


def test_a_question_that_is_asked_twice_is_answered_alike(pretend_model: Any) -> None:
    pretend_model.moody = True
    with Front(pretend_model.base_url) as front:
        assert ask(front, "Tides.") == ask(front, "Tides.")


def test_a_question_that_was_not_recorded_is_an_error(pretend_model: Any) -> None:
    with Front(pretend_model.base_url) as front:
        front.watch(replay={})
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask(front, "Tides.")
        with raised.value as error:
            assert error.code == 400
            assert "not asked in the run that was recorded" in error.read().decode()


def test_a_server_that_is_not_there_is_named() -> None:
    with Front("http://127.0.0.1:9/v1") as front:
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask(front, "Tides.")
        with raised.value as error:
            assert error.code == 502
            assert "no answer from http://127.0.0.1:9" in error.read().decode()
