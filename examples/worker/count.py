#!/usr/bin/env python3
"""A worker for importerd that counts the lines of each file it is given.

It reads its jobs from standard input and answers on descriptor 3, several jobs at a
time, each in a thread. Give it to a spool:

    [spool.lines]
    dir      = "/srv/importerd/lines"
    worker   = ["python3", "/usr/local/lib/count.py"]
    inflight = 4
    results  = true
"""

import base64
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

BAD_FILE = 65  # failed at once
TRY_AGAIN = 1  # an attempt is used up

answers = open(3, "w", encoding="utf-8")
turn = threading.Lock()  # one line at a time
cancelled = set()


def say(job, **fields):
    """Says something about a job; with exit it is the last word."""
    with turn:
        answers.write(json.dumps({"job": job, **fields}) + "\n")
        answers.flush()


def path_of(request, field):
    """Returns a path as the bytes that it is: names need not be UTF-8."""
    if field + "_b64" in request:
        return base64.b64decode(request[field + "_b64"])
    return os.fsencode(request[field])


def count(request):
    """Does one job."""
    job = request["job"]
    size = os.path.getsize(path_of(request, "file")) or 1
    lines = done = 0
    with open(path_of(request, "file"), "rb") as file:
        for line in file:
            if b"\0" in line:
                return say(job, exit=BAD_FILE, error=f"line {lines + 1} is no text")
            if job in cancelled:
                return say(job, exit=TRY_AGAIN, error="cancelled")
            lines, done = lines + 1, done + len(line)
            if lines % 10000 == 0:
                say(job, progress=done / size)
    if request["results"]:
        with open(os.path.join(path_of(request, "results"), b"lines"), "w") as out:
            print(lines, file=out)
    say(job, exit=0)


def attempt(request):
    """Does one job, whatever happens."""
    try:
        count(request)
    except Exception as e:  # the others go on
        say(request["job"], exit=TRY_AGAIN, error=f"{type(e).__name__}: {e}")
    finally:
        cancelled.discard(request["job"])


with ThreadPoolExecutor(max_workers=16) as pool:
    for text in sys.stdin.buffer:
        request = json.loads(text)
        if request.get("cancel"):
            cancelled.add(request["job"])
        else:
            pool.submit(attempt, request)
# The input has ended: the jobs under way are finished, then the worker is.
