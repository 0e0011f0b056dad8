"""A Celery application with a task that does nothing: late ack, results in PostgreSQL. As a program, it adds tasks."""

import json
import os
import sys
import time

from celery import Celery

QUEUE = os.environ["PEER_QUEUE"]

app = Celery("peer", broker=os.environ["PEER_BROKER_URL"], backend=os.environ["PEER_RESULTS_URL"])
app.conf.update(
    task_default_queue=QUEUE,
    # The producer waits until the broker has each message.
    broker_transport_options={"confirm_publish": os.environ["PEER_CONFIRM"] == "yes"},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=False,
    worker_prefetch_multiplier=int(os.environ["PEER_PREFETCH"]),
    # Nothing but the queue of the tasks, which is deleted afterwards.
    worker_enable_remote_control=False,
)


@app.task(name="noop")
def noop(number):
    return None


def add(tasks):
    """Seconds that adding takes, without the first one, which connects."""
    # Makes the table of results, for which the processes of a worker would race.
    app.backend.ResultSession().close()
    noop.delay(0)
    start = time.perf_counter()
    for number in range(1, tasks):
        noop.delay(number)
    return time.perf_counter() - start


if __name__ == "__main__":
    json.dump({"seconds": add(int(sys.argv[1]))}, sys.stdout)
