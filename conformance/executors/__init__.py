"""Who does the work: this process, threads, processes of this machine, or a cluster; all behind one call.

``executor.run(work, tasks, timeout)`` takes tasks by name and gives every name back once, with what became
of it, in the order in which they end. Whoever stops asking stops the work.
"""

from conformance.executors.interface import Died, Done, Executor, Raised, Result, TimedOut, Told, stopping
from conformance.executors.local import InProcess, Threads
from conformance.executors.processes import Processes

__all__ = [
    "Died",
    "Done",
    "Executor",
    "InProcess",
    "Processes",
    "Raised",
    "Result",
    "Threads",
    "TimedOut",
    "Told",
    "stopping",
]
