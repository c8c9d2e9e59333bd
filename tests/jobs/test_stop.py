"""The end of a worker process."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import threading
from coterie import wiring
from coterie.config import Settings
from coterie.jobs.worker import Worker

def out_of_reach(worker):
    raise ConnectionError("no records")

Worker.stop = out_of_reach
wiring._prepare = lambda executor: None
threading.Thread(target=threading.Event().wait).start()
wiring.run_worker(Settings(), parent_pid=-1)
"""


def test_a_worker_ends_though_its_records_are_out_of_reach_and_a_job_is_in_hand(tmp_path: Path) -> None:
    environment = {**os.environ, "COTERIE_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, timeout=120, check=True, capture_output=True
    )
    assert b"the worker ends without a goodbye" in ended.stderr
