"""The step of a run that asks a language model for labels. Nothing that the model does fails the run.

Answers are kept as they come in `labels.jsonl` of the scratch folder: a step that is repeated asks for the rest only.
The file becomes an artifact of the run, and the next run asks only for groups that are not in it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError
from sqlalchemy import Row

from coterie.api.context import Services, Tenant
from coterie.jobs.job import Job
from coterie.labeling.answers import Answer
from coterie.labeling.asking import LATE, Asker, Budget
from coterie.labeling.label import Owned, label_groups
from coterie.labeling.options import Options, options_of
from coterie.labeling.prompts import Subject, key_of, text_of
from coterie.labeling.providers import NoProvider, Provider, provider_of
from coterie.labeling.sampling import diverse, pool_of, spread
from coterie.runs.artifacts import artifacts_of
from coterie.runs.beside import Beside
from coterie.runs.found import Group, RunFiles, read_result
from coterie.runs.group_schemas import LLM
from coterie.runs.known import Known
from coterie.runs.labels import keeps_label, read_keywords, save_answers
from coterie.runs.members import documents_of, payload_reader
from coterie.runs.plan import Plan
from coterie.runs.queries import run_before

LABELING = 0.75, 0.9
"""The shares of a run between which labels are asked for."""

MOST_LABELED = 5_000
"""Groups that a model is asked about, the largest ones; further ones keep their keywords."""


@dataclass(frozen=True)
class _Kept:
    """Answers by key in a file, a line each, with the tokens that the run had spent by then."""

    path: Path
    keys: Mapping[str, str]

    def begin(self, before: bytes) -> tuple[dict[str, Answer], int]:
        """Of groups the answers that are known, from an earlier attempt at this step or the run before; and what was
        spent in earlier attempts. The file then holds these and no others."""
        own = self._held()
        spent = max((spent for _, spent in own.values()), default=0)
        found = {key: answer for key, (answer, _) in {**_read(before), **own}.items()}
        known = {name: found[key] for name, key in self.keys.items() if key in found}
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(b"".join(self._line(name, answer, spent) for name, answer in known.items()))
        fresh.replace(self.path)
        return known, spent

    def add(self, name: str, answer: Answer, spent: int) -> None:
        with self.path.open("ab") as file:
            file.write(self._line(name, answer, spent))

    def end(self) -> None:
        """Forget what this run spent: the next one has a budget of its own."""
        held = self._held()
        fresh = self.path.with_suffix(".new")
        names = {key: name for name, key in self.keys.items()}
        fresh.write_bytes(b"".join(self._line(names[key], answer, 0) for key, (answer, _) in held.items()))
        fresh.replace(self.path)

    def _held(self) -> dict[str, tuple[Answer, int]]:
        return _read(self.path.read_bytes()) if self.path.exists() else {}

    def _line(self, name: str, answer: Answer, spent: int) -> bytes:
        return orjson.dumps({"key": self.keys[name], "answer": answer.model_dump(), "spent": spent}) + b"\n"


def label_results(
    job: Job, services: Services, tenant: Tenant, plan: Plan, run: Row[Any], files: RunFiles
) -> dict[str, Any]:
    """Labels for the groups to the scratch folder; what went wrong, and what it took. Raises only what ends a job."""
    options, settings = options_of(plan.llm_labeling), services.settings
    if not options.enabled or settings.labeling == "keywords":
        return {"errors": [], "usage": None}
    try:
        provider = provider_of(settings, options)
        asker = _asker(services, options, provider)
    except NoProvider as error:
        return {"errors": [str(error)], "usage": None}
    result, known = read_result(services, plan, files)
    largest = sorted(range(len(result.groups)), key=lambda number: -len(result.groups[number].rows))
    asked = [number for number in largest if _is_asked(result.groups[number], options, known)]
    begin, end = LABELING

    def tick(done: float) -> None:
        job.check()
        job.report("label", begin + (end - begin) * done)

    with closing(asker.model):
        asking = _Subjects(services, tenant, plan, files.folder, options, result.groups)
        subjects = asking.of(asked[:MOST_LABELED], known, tick, lambda: asker.abandoned)
        keys = {each.id: key_of(each, options, provider.identity) for each in subjects}
        kept = _Kept(files.folder / "labels.jsonl", keys)
        answers, asker.budget.spent = kept.begin(_answers_before(services, tenant, run))
        taken = [*known.given_labels().items(), *_labels_that_stay(result.groups, {*keys}, known)]

        def keep(subject: Subject, answer: Answer) -> None:
            kept.add(subject.id, answer, asker.budget.spent)

        outcome = label_groups(subjects, answers, taken, asker, tick, keep, settings.labeling_concurrency)
    kept.end()
    save_answers(files.folder, outcome.answers)
    errors = [*outcome.errors, *_left_out(len(asked), len(subjects))]
    counts = {"labeled": len(outcome.answers), "reused": outcome.reused}
    return {"errors": errors, "usage": {**counts, "requests": asker.requests, "tokens": asker.budget.spent}}


def _left_out(asked: int, shown: int) -> list[str]:
    """What is said of groups that no model was asked about."""
    late, beyond = min(asked, MOST_LABELED) - shown, asked - MOST_LABELED
    errors = [f"{late} groups: not asked: {LATE}; labels by keywords"] if late else []
    if beyond > 0:
        errors.append(f"{beyond} groups beyond the {MOST_LABELED:,} largest: labels by keywords")
    return errors


def _asker(services: Services, options: Options, provider: Provider) -> Asker:
    """The client is imported here: it costs a worker more than a second, and most runs need none of it. Raises
    NoProvider."""
    from coterie.labeling.chat import Chat  # noqa: PLC0415

    settings = services.settings
    try:
        model = Chat(provider, options.parameters, settings.labeling_request_seconds)
    except Exception as error:  # noqa: BLE001 - a client refuses settings in ways of its own; its words may hold the key
        said = f"the settings of '{provider.name}' are of no use to its client ({type(error).__name__})"
        raise NoProvider(f"{said}: check its base URL and key") from None
    budget = Budget(settings.labeling_token_budget)
    return Asker(model, options, budget, until=time.monotonic() + settings.labeling_step_seconds)


def _is_asked(group: Group, options: Options, known: Known) -> bool:
    """A group that keeps its label is asked about only for what else there is to say."""
    return options.summary or options.keywords or not keeps_label(group, known)


def _labels_that_stay(groups: Sequence[Group], asked: set[str], known: Known) -> Iterator[Owned]:
    """Groups and their labels that stay whatever a model says."""
    for each in groups:
        if each.label and (each.id not in asked or keeps_label(each, known)):
            yield each.id, each.label


def _answers_before(services: Services, tenant: Tenant, run: Row[Any]) -> bytes:
    """The answers that the run before left, if it did."""
    with services.db.read() as tx:
        before = run_before(tx, run)
    try:
        return b"" if before is None else services.blobs.read(artifacts_of(services, tenant, before).labels_key)
    except FileNotFoundError:
        return b""


def _read(held: bytes) -> dict[str, tuple[Answer, int]]:
    """Answers by key, and what had been spent by each; without lines that a crash cut short."""
    found: dict[str, tuple[Answer, int]] = {}
    for line in held.splitlines():
        try:
            read = orjson.loads(line)
            found[read["key"]] = Answer.model_validate(read["answer"]), read["spent"]
        except (orjson.JSONDecodeError, ValidationError):
            continue
    return found


class _Subjects:
    """Groups as a model is asked about them."""

    def __init__(
        self,
        services: Services,
        tenant: Tenant,
        plan: Plan,
        folder: Path,
        options: Options,
        groups: Sequence[Group],
    ) -> None:
        self._read = payload_reader(services, tenant, folder)
        self._options = options
        self._groups = groups
        self._ids, self._collections = documents_of(folder)
        self._keywords = read_keywords(folder)
        path = folder / ("unit.npy" if plan.normalize else "vectors.npy")
        self._vectors = None if plan.attributes else np.load(path, mmap_mode="r")
        self._beside = Beside(groups, by_centroid=not plan.attributes)

    def of(
        self, chosen: Sequence[int], known: Known, tick: Callable[[float], None], late: Callable[[], bool]
    ) -> list[Subject]:
        """Some of the groups, by their numbers; without the last ones if it gets `late`. Raises what `tick` raises."""
        found: list[Subject] = []
        for number in chosen:
            tick(0.0)
            if late():
                break
            found.append(self._subject(number, known))
        return found

    def _subject(self, number: int, known: Known) -> Subject:
        group = self._groups[number]
        return Subject(
            group.id,
            len(group.rows),
            self._members(group),
            self._texts(group),
            tuple(self._keywords[number]),
            tuple(tuple(self._keywords[other][:5]) for other in self._beside.of(number)),
            group.label if group.source == LLM else None,
            keeps_label(group, known),
        )

    def _members(self, group: Group) -> str:
        """What tells the members of one group from those of another, in whatever order they are; and a group from the
        only one below it, which has the same."""
        names = sorted(f"{self._collections[row]}/{self._ids[row]}" for row in group.rows.tolist())
        if not group.leaf:
            names.append(f"above others, at level {group.level}")
        return blake2b("\n".join(names).encode(), digest_size=16).hexdigest()

    def _texts(self, group: Group) -> tuple[str, ...]:
        count = self._options.samples
        if self._vectors is None:
            rows = group.rows[spread(count, len(group.rows))]
        else:
            pool = pool_of(group.rows, count)
            rows = pool[diverse(self._vectors[pool], np.array(group.centroid, np.float32), count)]
        texts = (text_of(payload, self._options.fields) for _, payload in self._read(rows))
        return tuple(dict.fromkeys(text for text in texts if text))
