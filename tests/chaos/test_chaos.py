"""Everything that can die dies, and nothing is lost and nothing comes twice.

`make chaos` runs the long form. `KEDGE_CHAOS_FAULTS` says how many faults, `KEDGE_CHAOS_SEED`
which: the same seed is the same schedule.
"""

import os
from contextlib import closing

import pytest
from rich.console import Console

from chaos.faults import Faults
from chaos.found import Observer, Pulse
from chaos.reconciliation import checks, progress, table
from chaos.schedule import schedule
from chaos.traffic import MESSAGES_A_WINDOW, Traffic
from chaos.world import world

FAULTS = int(os.environ.get("KEDGE_CHAOS_FAULTS", "9"))
SEED = int(os.environ.get("KEDGE_CHAOS_SEED", "1"))


@pytest.mark.long
@pytest.mark.timeout(300 + 20 * FAULTS)
def test_nothing_is_lost_and_nothing_comes_twice(tmp_path):
    console = Console(width=110)
    planned = schedule(SEED, FAULTS)
    console.print(f"seed {SEED}, {len(planned)} faults")
    with world(tmp_path) as made:
        traffic = Traffic(made, SEED)
        faults = Faults(made, traffic)
        with closing(Pulse(made)) as pulse:
            for number, fault in enumerate(planned, 1):
                for _ in range(fault.after):
                    traffic.step()
                if fault.recovered:
                    _recover(traffic, pulse)
                if number == FAULTS // 3 + 1:
                    made.ship()
                console.print(f"{number:4} {fault}", highlight=False)
                faults.do(fault)
            faults.settle()
        with closing(Observer(made)) as observer:
            # Until the release that was rolled back to has shown that it helped.
            while not _resolved(observer.look()):
                for _ in range(MESSAGES_A_WINDOW):
                    traffic.step()
            traffic.close()
            observer.until(lambda found: progress(traffic, found))
        made.stop()
        # All is quiet now: what came twice is there twice.
        with closing(Observer(made)) as observer:
            all_checks = list(checks(made, traffic, observer.look()))
    events = sum(len(some.ids) for some in traffic.sent)
    console.print(table(all_checks, f"seed {SEED}, {faults.done} faults, {events:,} predictions"))
    assert faults.done == FAULTS
    assert [check for check in all_checks if not check.holds] == []


def _recover(traffic, pulse):
    """Let predictions flow until statistics of what is sent now have come out."""
    now = traffic.now
    while pulse.newest() < now:
        traffic.step()


def _resolved(found):
    return any(alert["status"] == "resolved" for alert in found.alerts)
