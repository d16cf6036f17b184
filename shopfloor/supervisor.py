"""Keeps the processes of a running system alive, runs its jobs when they are due, and stops them all together.

Each process is in a session of its own, so that Ctrl-C reaches them once and through us. A process that ends is
started again after a growing pause; a job that fails is tried again later. Nothing here needs a clean stop: the log,
the lake and the features each survive SIGKILL, so the grace period only saves work that would be done again.
"""

import asyncio
import logging
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from feature_repo.errors import Misconfigured, Refused

GRACE_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A process that lived this long is healthy again; its next failure counts as the first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """A command that always runs: the arguments of ``shopfloor``."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """Commands that are run one after the other every so often; the first that fails ends the run.

    A gate that refuses is no failure: trying again soon would only be refused again.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    every_seconds: float


@dataclass(slots=True)
class Supervisor:
    """``state`` is a folder that remembers when each job last succeeded; ``logs`` one for the output, None: ours."""

    services: Sequence[Service]
    jobs: Sequence[Job]
    environ: Mapping[str, str]
    state: Path
    retry_seconds: float
    logs: Path | None = None
    now: Callable[[], float] = time.time
    running: dict[str, Process] = field(default_factory=dict)
    """What runs at the moment, by name."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run everything until ``stop`` is set, then end it within the grace period.

        Raises Misconfigured, after all is stopped, when a process says that its settings cannot work.
        """
        keepers = [asyncio.create_task(self._keep(service)) for service in self.services]
        keepers += [asyncio.create_task(self._schedule())] if self.jobs else []
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*keepers, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*keepers, stopping):
                task.cancel()
            await asyncio.gather(*keepers, stopping, return_exceptions=True)
        for task in done - {stopping}:
            task.result()

    async def run_once(self, name: str, arguments: Sequence[str]) -> int:
        """Run one command to its end and give its exit code; cancelled, it is stopped first."""
        with self._output(name) as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "shopfloor.child", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self.environ,
                start_new_session=True,
            )
        self.running[name] = process
        try:
            return await process.wait()
        finally:
            await _stopped(process)
            del self.running[name]

    def _output(self, name: str) -> AbstractContextManager[IO[bytes] | None]:
        if self.logs is None:
            return nullcontext()
        self.logs.mkdir(parents=True, exist_ok=True)
        return (self.logs / f"{name}.log").open("ab")

    async def _keep(self, service: Service) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            code = await self.run_once(service.name, service.arguments)
            if code == Misconfigured.exit_code:
                raise Misconfigured(f"{service.name} cannot run with these settings; its own message says why")
            failures = 1 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            pause = pause_after(failures)
            log.warning("%s ended (%s) and is started again in %.1f s", service.name, _how(code), pause)
            await asyncio.sleep(pause)

    async def _schedule(self) -> None:
        """One job at a time, the one that is due longest first: two at once would need the memory of two."""
        due = {job.name: self._last_success(job.name) + job.every_seconds for job in self.jobs}
        while True:
            job = min(self.jobs, key=lambda job: due[job.name])
            await asyncio.sleep(max(due[job.name] - self.now(), 0))
            if await self._succeeded(job):
                self._remember_success(job.name)
                due[job.name] = self.now() + job.every_seconds
            else:
                due[job.name] = self.now() + self.retry_seconds

    async def _succeeded(self, job: Job) -> bool:
        for command in job.commands:
            code = await self.run_once(job.name, command)
            if code == Refused.exit_code:
                log.warning("%s: the gate of `shopfloor %s` did not let this pass", job.name, " ".join(command))
                return True
            if code != 0:
                log.warning("%s: `shopfloor %s` ended (%s)", job.name, " ".join(command), _how(code))
                return False
        log.info("%s is done", job.name)
        return True

    def _last_success(self, name: str) -> float:
        with suppress(OSError, ValueError):
            return float((self.state / f"{name}.last").read_text())
        return 0.0

    def _remember_success(self, name: str) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / f"{name}.last").write_text(f"{self.now():.0f}")


def pause_after(failures: int) -> float:
    """Seconds before the next start after so many failures in a row: .5, 1, 2, 4 … 30."""
    return float(min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE))


async def _stopped(process: Process) -> None:
    """Ask the process to stop, and kill it when it has not within the grace period."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        log.warning("process %d did not stop within %.0f s and is killed", process.pid, GRACE_SECONDS)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
