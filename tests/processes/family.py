"""The process table, and who is who among the processes of a worker. Linux."""

from dataclasses import dataclass, field
from pathlib import Path

WORKERS, QUEUE_THREADS = 3, 2


@dataclass(frozen=True)
class Proc:
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    threads: int
    born: int
    state: str

    @classmethod
    def read(cls, pid: int) -> "Proc | None":
        try:
            parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        parent, session, threads, born = (int(parts[index]) for index in (1, 3, 17, 19))
        return cls(pid, parent, session, threads, born, parts[0])

    @property
    def now(self) -> "Proc | None":
        found = Proc.read(self.pid)
        return found if found is not None and found.born == self.born else None

    @property
    def lives_on(self) -> bool:
        return (now := self.now) is not None and now.state != "Z"

    @property
    def stands_still(self) -> bool:
        return (now := self.now) is None or now.state in "TZ"

    @property
    def on_processor(self) -> float:
        """Seconds of its main thread so far."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9
        except OSError:
            return 0.0


def living() -> list[Proc]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [proc for pid in pids if (proc := Proc.read(pid)) and proc.state != "Z"]


def children(pid: int) -> list[Proc]:
    """The oldest first."""
    return sorted((p for p in living() if p.parent == pid), key=lambda p: (p.born, p.pid))


def descendants(pid: int) -> list[Proc]:
    return [found for child in children(pid) for found in (child, *descendants(child.pid))]


def main_of(supervisor: int) -> Proc:
    return children(supervisor)[0]


def sentinel_of(supervisor: int) -> Proc:
    """Beside it the main process has its guard, which is older."""
    return children(main_of(supervisor).pid)[-1]


def family_of(supervisor: int) -> list[Proc]:
    """The sentinel's children: workers, monitor, pusher, in the order in which they were born."""
    return children(sentinel_of(supervisor).pid)


def is_busy(worker: Proc) -> bool:
    """One that runs a slice has threads that speak HTTP; an idle one has at most that of its queue."""
    return worker.threads > QUEUE_THREADS


@dataclass
class Roles:
    """Tells the roles of a worker's processes through deaths and births; ask often."""

    supervisor: int
    known: dict[tuple[int, int], str] = field(default_factory=dict)

    def now(self) -> list[tuple[str, Proc]]:
        """Whoever lives now; fewer or none while something is being started again."""
        mains = children(self.supervisor)[:1]
        kin = children(mains[0].pid)[1:] if mains else []  # without the guard
        found = [("main", one) for one in mains] + [("sentinel", one) for one in kin[-1:]]
        family = children(kin[-1].pid) if kin else []
        self.learn(family)
        for one in family:
            role = self.known[one.pid, one.born]
            if role == "worker":
                role = "busy worker" if is_busy(one) else "idle worker"
            found.append((role, one))
        return found

    def learn(self, family: list[Proc]) -> None:
        """Newcomers take the places that are empty, in the order in which they are filled."""
        alive = {(one.pid, one.born): one for one in family}
        self.known = {key: role for key, role in self.known.items() if key in alive}
        places = [*["worker"] * WORKERS, "monitor", "pusher"]
        for role in self.known.values():
            if role in places:
                places.remove(role)
        for key in alive:
            if key not in self.known:
                self.known[key] = places.pop(0) if places else "worker"
