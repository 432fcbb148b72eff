"""Many processes that train one model (DDP, FSDP): each measures its share, rank 0 writes.

They agree through the key-value store of the job, not through a collective: a rank that does not come, or dies, costs a
time limit and a clear sentence, not a deadlock. A snapshot begins with an agreement, since gathering a
sharded weight is collective and must be done by all ranks or by none:

    every rank   step/ready/rank = here
    rank 0       waits for all of them, then  step/go = the probes to run, or none if someone is missing
    every rank   reads step/go

where step is "1200", and "1200+1" for a second snapshot at the same step: every agreement has keys of its own.

Rank 0 then has work of its own: a probe that runs there alone, a queue of fits. The others do not go on to the next
collective of the training, whose time limit would end the job, but look for a key that rank 0 sets when it is done,
as long as it gives signs of life:

    rank 0       step/place/over = here, and step/probe/over after each probe that it runs alone
    the others   read it

Probes that add up over ranks (Hessian products) do need collectives: on a gloo group of their own, under the same time
limit. A rank that fails between two products says so by a key; one that hangs costs the others the limit, once.

Later, off the training thread, every rank puts its spectra under step/part/rank, in pieces (the store closes a
connection that sends more than 8 MB at once), and rank 0 takes them from there, waiting for a rank as long as it gives
signs of life. Once the run is being closed, one without a sign for five seconds is not waited for.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import pickle
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from htmu_diag.errors import HTMUError, MeasurementError
from htmu_diag.model.leaving import Left, Silence, summed, watched
from htmu_diag.ranks.heartbeat import Heartbeat, arrives
from htmu_diag.ranks.job import Job, receive, send
from htmu_diag.ranks.team import Part

__all__ = ["Ranks"]

AT_THE_END = 5.0  # seconds without a sign; whoever lives gives one every second, from a thread of its own
AFTER_MEETING = 3.0  # seconds; ranks that met once come together in every step, within milliseconds
PATIENCE = 2  # agreements missed in a row before the ranks stop waiting for each other
_UNSENT = (MemoryError, OSError, pickle.PicklingError, TypeError, ValueError, AttributeError)
_COUNT = itertools.count()


class Ranks:
    """The ranks of the running torch.distributed job. Every one of them must make it, in the same order as other ones.

    ranks: those that train one model together; all of the job where there are none.

    limit: seconds to wait for the others at the first snapshot, and for a sign of life of a rank that measures; 60 by
    default: nothing of a healthy job lags that far behind. Once all have met, a rank that does not come (it ran out of
    data under `Join`, it left) is waited for no longer than a few seconds: the others may stand in a collective.
    """

    def __init__(self, limit: float = 60.0, ranks: Sequence[int] = ()) -> None:
        self._job = Job("snapshots", next(_COUNT), ranks)
        self.share, self._limit = self._job.share, limit
        self._here, self._there = self._job.connection(), self._job.connection()
        self._heartbeat = Heartbeat(self._job.connection(), self.share.rank, limit)
        self._said: list[str] = []  # keys that the others have read once they come to the next agreement
        self._missed = 0
        self._met = False
        self._names, self._collections = _Names(), _Names()
        self._agreed = ""  # the name of the newest agreement
        self._group: Any = None
        self._blocks = itertools.count()
        self._apart = False

    def agree(self, step: int, probes: Sequence[str]) -> list[str]:
        if self._missed >= PATIENCE:
            return []
        self._agreed = self._names.advance(step)
        with self._reached():
            self._heartbeat.start()
            agreed = self._lead(step, probes) if self.share.rank == 0 else self._follow(step)
        self._met = self._met or not self._missed
        return agreed

    @property
    def _wait(self) -> float:
        """Seconds that the others have to come to an agreement."""
        return min(self._limit, AFTER_MEETING) if self._met else self._limit

    @contextlib.contextmanager
    def together(self) -> Iterator[Any]:
        if self._apart:
            raise MeasurementError("the ranks lost each other in an earlier measurement; the run goes on without it")
        left = f"{self._agreed}/left/{next(self._blocks)}"
        how = "left"
        try:
            self._group = self._group or self._new_group()
            watched(self._group, lambda: self._here.check([left]))
            yield self._group
            summed(torch.zeros(1, device="cpu"), self._group)  # nobody has left
            how = ""
        except Left:
            self._apart, how = self._here.get(left) == b"apart", "heard"
            raise
        except Silence as error:
            self._apart, how = True, "apart"
            raise MeasurementError(
                f"a product of all ranks failed, or a rank did not come to it within {self._limit:g} s ({error}); "
                "all ranks must pass the same probes and a batch each"
            ) from error
        finally:
            self._leave(left, how)

    def _leave(self, key: str, how: str) -> None:
        """After a block that failed here or elsewhere: the others are told, and all begin with another group."""
        if how:
            self._group = None
        if how in ("left", "apart"):
            with contextlib.suppress(RuntimeError):  # a store that is gone: the job has ended
                self._here.set(key, how)

    def _new_group(self) -> Any:
        """Of these ranks; others of the job need not come."""
        timeout, ranks = timedelta(seconds=self._limit), list(self._job.ranks)
        return dist.new_group(ranks, backend="gloo", timeout=timeout, use_local_synchronization=True)

    def follow_first(self, step: int, place: str) -> None:
        key = f"{self._agreed}/{place}/over"
        with self._reached():
            if self.share.rank == 0:
                self._here.set(key, "here")
                self._said.append(key)
            elif not self._heartbeat.await_key(self._here, key, 0):
                silent = f"rank 0 gave no sign of life for {self._heartbeat.limit:g} s"
                raise MeasurementError(f"step {step}: {silent} during {place}")

    def collect(self, step: int, part: Part) -> list[Part]:
        name = self._collections.advance(step)
        if self.share.rank:
            with contextlib.ExitStack() as if_it_fails, self._reached():
                if_it_fails.callback(self._heartbeat.close)  # who lives and sends nothing would be waited for for ever
                self._send(f"{name}/part/{self.share.rank}", part)
                if_it_fails.pop_all()
            return []
        others = range(1, self.share.world)
        return [part, *(self._part_of(step, rank, f"{name}/part/{rank}") for rank in others)]

    def hurry(self) -> None:
        self._heartbeat.hurry(AT_THE_END)

    def close(self) -> None:
        self._heartbeat.close()
        self._job.close()

    def _send(self, key: str, part: Part) -> None:
        """Or, where it cannot be sent, why, which rank 0 tells."""
        try:
            send(self._there, key, pickle.dumps(part))
        except _UNSENT as error:
            why = MeasurementError(f"rank {self.share.rank} could not send its part ({type(error).__name__}: {error})")
            send(self._there, key, pickle.dumps(Part((), (), why)))

    def _lead(self, step: int, probes: Sequence[str]) -> list[str]:
        missing = self._await_others()
        while self._said and not missing:
            self._here.delete_key(self._said.pop())
        self._missed = self._missed + 1 if missing else 0
        self._here.set(
            f"{self._agreed}/go",
            json.dumps({"probes": [] if missing else list(probes), "missed": self._missed}),
        )
        if missing:
            raise MeasurementError(
                f"step {step}: rank {', '.join(map(str, missing))} did not come to the snapshot within "
                f"{self._wait:g} s, so it was left out; all ranks must call watch() and take the same steps"
                + ("; no further snapshots in this run" if self._missed == PATIENCE else "")
            )
        return list(probes)

    def _follow(self, step: int) -> list[str]:
        ready, go = self._ready(self.share.rank), f"{self._agreed}/go"
        self._here.set(ready, "here")
        if not arrives(self._here, go, 2 * self._wait) and (
            self._here.delete_key(ready) or not arrives(self._here, go, 2 * self._wait)
        ):  # the key is rank 0's to take or this rank's to take back: both cannot think otherwise of this snapshot
            self._missed += 1
            raise MeasurementError(
                f"step {step}: no word from rank 0 within {2 * self._wait:g} s; the snapshot was left out"
            )
        answer = json.loads(self._here.get(go))
        self._missed = int(answer["missed"])
        return list(answer["probes"])

    def _ready(self, rank: int) -> str:
        return f"{self._agreed}/ready/{rank}"

    def _await_others(self) -> list[int]:
        """The ranks that did not come in time."""
        deadline = time.monotonic() + self._wait
        others = {rank: self._ready(rank) for rank in range(1, self.share.world)}
        here = (arrives(self._here, key, deadline - time.monotonic()) for key in others.values())
        return [rank for rank, came in zip(others, here, strict=True) if not (came and self._taken(others[rank]))]

    def _taken(self, key: str) -> bool:
        return bool(self._here.delete_key(key))

    def _part_of(self, step: int, rank: int, key: str) -> Part:
        try:
            with self._reached():
                if not self._heartbeat.await_key(self._there, key, rank):
                    raise MeasurementError(f"rank {rank} gave no sign of life for {self._heartbeat.limit:g} s")
                part: Part = pickle.loads(receive(self._there, key))
                if part.error is None:
                    return part
                error: Exception = part.error
        except (MeasurementError, MemoryError) as problem:
            error = problem
        said = f"step {step}: {str(error) or f'no memory for the part of rank {rank}'}; its spectra are missing"
        return Part((), (), MeasurementError(said))

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """A block that uses the job's key-value store: where that is gone, nothing more is tried."""
        try:
            yield
        except HTMUError:
            raise
        except RuntimeError as error:
            self._missed = PATIENCE
            raise MeasurementError(
                f"the ranks' key-value store does not answer ({str(error).splitlines()[0]}); the process that serves "
                "it, mostly rank 0, has ended, so there are no further snapshots in this run"
            ) from error


class _Names:
    """Names of snapshots, the same on all ranks: "1200", and "1200+1" for a second one at the same step."""

    def __init__(self) -> None:
        self._step, self._times = -1, 0

    def advance(self, step: int) -> str:
        self._step, self._times = step, self._times + 1 if step == self._step else 0
        return f"{step}+{self._times}" if self._times else str(step)
