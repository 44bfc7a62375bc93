"""Killing a process at its work. No tests."""

import multiprocessing
import os
import signal
import time

# Forked, so that a child has everything imported and the kill falls into the work.
FORK = multiprocessing.get_context("fork")


def start_and_kill(target, *arguments, after):
    """Run a function in a process of its own, and kill that some seconds after its start."""
    child = FORK.Process(target=target, args=arguments)
    child.start()
    time.sleep(after)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
