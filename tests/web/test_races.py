"""Sixteen clients on one alias over HTTP: one wins each generation, and none is lost."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from web.asking import API, client

CLIENTS = 16
ROUNDS = 8


def test_of_sixteen_clients_one_wins_each_generation(served, registry, tokens):
    meeting = Barrier(CLIENTS)
    alias = f"{API}/models/m/aliases/production"

    def race(racer):
        answers = []
        with client(served, tokens["operate"]) as asking:
            for generation in range(ROUNDS):
                seen = {"If-Match": f'"{generation}"'} if generation else {"If-None-Match": "*"}
                move = {"release": 1 + (racer + generation) % 3, "reason": f"racer {racer}"}
                meeting.wait(60)
                answers.append((generation, racer, asking.put(alias, json=move, headers=seen)))
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for mine in pool.map(race, range(CLIENTS)) for answer in mine]
    by_status = Counter(answer.status_code for _, _, answer in answers)
    assert by_status == {200: ROUNDS, 412: ROUNDS * (CLIENTS - 1)}
    history = registry.history("m", "production")
    won = {
        (generation + 1, f"racer {racer}", answer.json()["to_release"])
        for generation, racer, answer in answers
        if answer.status_code == 200
    }
    assert {(move.generation, move.reason, move.to_release) for move in history} == won
    assert [move.generation for move in history] == list(range(1, ROUNDS + 1))
    results = Counter(entry.result for entry in registry.audit.newest(1000))
    assert results == {"done": ROUNDS, "refused": ROUNDS * (CLIENTS - 1)}
