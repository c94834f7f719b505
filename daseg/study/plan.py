"""All jobs of a study, in an order in which they can be made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from daseg.registry import did_you_mean
from daseg.study.definition import Study
from daseg.study.jobs import Job, Key
from daseg.utils.errors import ConfigError


class Plan:
    """All jobs of a study in a world.

    Args:
        study: The study.
        root: Folder of all that is made.
        world: A small world, "demo" or "camvid"; None: the real data.
        seeds: The seeds to run, the first ones of the study.
        given: By name of a row or step, what is given in its place: a checkpoint of a row, which is
            then only tested, or of a step what it makes.
        rows: Only these rows, and what they need. None: all.

    Raises:
        ConfigError: A name is unknown, jobs need each other in a circle, a config cannot be used.
    """

    def __init__(
        self,
        study: Study,
        root: Path,
        *,
        world: str | None = None,
        seeds: Sequence[int],
        given: Mapping[str, str] | None = None,
        rows: Sequence[str] | None = None,
    ) -> None:
        self.study, self.root, self.world, self.seeds = study, root, world, tuple(seeds)
        self.given = dict(given or {})
        every = {**study.steps, **study.rows}
        self.steps = {name: step.in_world(world) for name, step in every.items()}
        for name in (*self.given, *(rows or ())):
            if name not in self.steps:
                known = did_you_mean(name, self.steps) or f"; there are {', '.join(self.steps)}"
                raise ConfigError(f"{study.name} has no row or step {name!r}{known}")
        self.jobs: dict[Key, Job] = {}
        for seed in self.seeds:
            for name in study.rows if rows is None else rows:
                self._add(name, seed, ())
        # A whole seed first: it is a report already. Then what most of the others wait for.
        places = {seed: place for place, seed in enumerate(study.seeds)}
        order = sorted(self.jobs, key=lambda key: (places[key[1]], -len(self._waiting_for(key))))
        self.jobs = {key: self.jobs[key] for key in order}

    def seed_of(self, name: str, seed: int) -> int:
        """The seed with which a row or step is made that one with this seed needs."""
        once = self.steps[name].once or name in self.given
        return self.study.seeds[0] if once else seed

    def product(self, name: str, seed: int) -> Path:
        """What a row or step makes, or what is given in its place."""
        if name in self.given:
            return Path(self.given[name])
        key = name, self.seed_of(name, seed)
        # A row that is only tested names in its config what no job has to make.
        return (self.jobs.get(key) or self._job(*key)).product()

    def _add(self, name: str, seed: int, above: tuple[str, ...]) -> Key:
        """Add a job behind those that it needs."""
        if name in above:
            circle = " needs ".join((*above[above.index(name) :], name))
            raise ConfigError(f"{self.study.name}: {circle}")
        step, given = self.steps[name], name in self.given
        seed = self.seed_of(name, seed)
        if (name, seed) not in self.jobs and (step.is_row or not given):
            references = [each for each in step.references() if each not in self.given]
            needs = [] if given else [self._add(r, seed, (*above, name)) for r in references]
            self.jobs[name, seed] = self._job(name, seed, needs)
        return name, seed

    def _job(self, name: str, seed: int, needs: Sequence[Key] = ()) -> Job:
        step = self.steps[name]
        folder = self.root / ("runs" if step.is_row else "steps") / name / f"seed_{seed}"
        return Job(step, seed, folder, tuple(needs), self)

    def _waiting_for(self, key: Key) -> set[Key]:
        direct = {job.key for job in self.jobs.values() if key in job.needs}
        return direct.union(*map(self._waiting_for, direct))
