"""Run the cells of a sweep, keep what they gave, go on where it stopped."""

import gc
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from edgeresearch import stats
from edgeresearch.errors import InputError, RunError
from edgeresearch.sweeps import runner
from edgeresearch.sweeps.api import sweep
from edgeresearch.sweeps.experiments import Experiment, Places
from edgeresearch.sweeps.runner import Backend, Cell, Job, Row, Store, failed, frame, open_backend, run, summary, work

Plan = Callable[..., list[Cell]]
Toy = Callable[..., Experiment]


def _cluster(**options: Any) -> Any:
    from distributed import LocalCluster

    return LocalCluster(dashboard_address=":0", **options)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def dask() -> Iterator[str]:
    """A local cluster of two workers; its address."""
    import dask as library

    with (
        library.config.set({"distributed.worker.profile.enabled": False}),
        _cluster(n_workers=2, threads_per_worker=1) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A local Ray of two workers."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else it keeps a token in the home folder
        patch.setenv("RAY_agent_register_timeout_ms", "300000")  # half a minute is too short on a busy machine
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the new way, else it warns of the old one
        for category in (DeprecationWarning, FutureWarning):
            warnings.filterwarnings("ignore", category=category, module=r"ray\.")
        warnings.filterwarnings("ignore", "subprocess .* is still running", ResourceWarning)  # of a start that failed
        import ray as library

        def start() -> None:
            library.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

        for again in range(3):
            try:
                start()
                break
            except Exception:  # half a minute for another part of it, which is nowhere to be set
                library.shutdown()
                gc.collect()
                if again == 2:
                    raise
        yield
        library.shutdown()


def _run(cells: list[Cell], experiment: Experiment, places: Places, backend: Backend) -> dict[str, Row]:
    rows = list(run(partial(work, experiment, places), cells, backend))
    assert sorted(str(row["key"]) for row in rows) == sorted(cell.key for cell in cells)
    return {str(row["key"]): row for row in rows}


def _expected(cells: list[Cell], experiment: Experiment, places: Places) -> dict[str, Row]:
    return {cell.key: work(experiment, places, cell) for cell in cells}


@pytest.mark.parametrize("workers", [1, 2])
def test_loky_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places, workers: int) -> None:
    cells = plan(12, seeds=2)
    with open_backend("loky", workers=workers) as backend:
        assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)


def test_dask_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places, dask: str) -> None:
    cells = plan(12, seeds=2)
    with open_backend("dask", workers=7, address=dask) as backend:
        assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)


def test_a_worker_of_dask_that_is_killed_loses_nothing(toy: Toy, plan: Plan, places: Places, dask: str) -> None:
    cells, flag = plan(8), places.root / "flag"
    with open_backend("dask", workers=2, address=dask) as backend:
        assert _run(cells, toy(kills=3.0, flag=str(flag)), places, backend) == _expected(cells, toy(), places)
    assert flag.exists()


@pytest.mark.slow
def test_dask_starts_a_cluster_of_its_own(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(4)
    with open_backend("dask", workers=2) as backend:
        assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_ray_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(12, seeds=2)
    with open_backend("ray", workers=7) as backend:
        assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_worker_of_ray_that_is_killed_loses_nothing(toy: Toy, plan: Plan, places: Places) -> None:
    cells, flag = plan(8), places.root / "flag"
    with open_backend("ray", workers=2) as backend:
        assert _run(cells, toy(kills=3.0, flag=str(flag)), places, backend) == _expected(cells, toy(), places)
    assert flag.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_cell_that_always_kills_its_worker_of_ray_is_told(
    toy: Toy, plan: Plan, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRIES", 0)  # each takes seconds
    cells = plan(4)
    with open_backend("ray", workers=2) as backend:
        rows = _run(cells, toy(kills=2.0), places, backend)
    assert [cell.key for cell in cells if rows[cell.key]["error"]] == [cells[1].key]
    assert str(rows[cells[1].key]["error"]).startswith("its worker died 2 times")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The table of a small sweep of LOS, as bytes."""
    spec = tmp_path_factory.mktemp("spec") / "los.yaml"
    spec.write_text(
        "experiment: los\nseeds: 3\nsettings: {los.hours: 0.5}\ngrid: {streams: [2, 4]}\n", encoding="utf-8"
    )

    def table(**options: Any) -> bytes:
        out = tmp_path_factory.mktemp("out")
        result = sweep(spec, out, **options)
        assert not len(result.failures)
        result.save(out, figures=False)
        return (out / "sweep.parquet").read_bytes()

    return table


def test_a_sweep_has_the_same_content_on_loky_and_dask(swept: Callable[..., bytes], dask: str) -> None:
    alone = swept(workers=1)
    assert swept(workers=2) == alone
    assert swept(backend="dask", address=dask) == alone


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_sweep_has_the_same_content_on_ray(swept: Callable[..., bytes]) -> None:
    assert swept(backend="ray") == swept(workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "lokey", "workers": 1}, r"unknown backend 'lokey'; did you mean loky\?; known: loky, dask, ray"),
        ({"name": "loky", "workers": 0}, "workers 0 is below 1; use 1 or more"),
        ({"name": "loky", "workers": 1, "address": "tcp://h:1"}, "loky has no cluster to be addressed"),
    ],
)
def test_what_is_wrong_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_backend(**options)


@pytest.mark.parametrize(("name", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_extra_is_told(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(InputError, match=rf"backend {name} needs an extra: pip install 'edgeresearch\[{name}\]'"),
        open_backend(name, workers=1),
    ):
        pass


def test_an_address_without_a_dask_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PATIENCE", 0.2)
    with (
        pytest.raises(InputError, match="no Dask scheduler answers at tcp://127.0.0.1:9:"),
        open_backend("dask", workers=1, address="tcp://127.0.0.1:9"),
    ):
        pass


def test_a_dask_cluster_without_workers_is_told() -> None:
    with (
        _cluster(n_workers=0) as cluster,
        pytest.raises(InputError, match="has no worker; start some"),
        open_backend("dask", workers=1, address=cluster.scheduler_address),
    ):
        pass


class _Ray:
    """What `backends` asks of Ray, without a cluster."""

    class exceptions:  # noqa: N801
        WorkerCrashedError = NodeDiedError = OutOfMemoryError = ObjectLostError = OSError

    def __init__(self, running: bool, error: Exception | None = None) -> None:
        self.running, self.error, self.asked = running, error, dict[str, Any]()
        self.stopped = False
        self.cancelled: list[Any] = []

    def is_initialized(self) -> bool:
        return self.running

    def init(self, **options: Any) -> None:
        self.asked = options
        if self.error:
            raise self.error

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def shutdown(self) -> None:
        self.stopped = True

    def remote(self, max_retries: int) -> Any:
        assert max_retries == runner.RETRIES
        return lambda function: type("Remote", (), {"remote": staticmethod(function)})

    def wait(self, pending: list[Any]) -> tuple[list[Any], list[Any]]:
        return pending[-1:], pending[:-1]  # the last one comes first

    def get(self, done: Any) -> Any:
        return done

    def cancel(self, pending: Any) -> None:
        self.cancelled.append(pending)


@pytest.mark.parametrize(
    ("address", "asked"),
    [(None, {"num_cpus": 5, "include_dashboard": False}), ("ray://h:1", {"address": "ray://h:1"})],
)
def test_ray_is_started_or_addressed_and_left(
    address: str | None, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, toy: Toy, plan: Plan, places: Places
) -> None:
    ray, cells = _Ray(running=False), plan(20)
    monkeypatch.setattr(runner, "_imported", lambda *_: ray)
    with open_backend("ray", workers=5, address=address) as backend:
        assert asked.items() <= ray.asked.items()
        assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)
        left = backend.map(partial(work, toy(), places), iter(cells))
        next(left)
        left.close()  # type: ignore[attr-defined]
        assert len(ray.cancelled) == 2 * 3 - 1, "what is under way is called back"
        assert not ray.stopped
    assert ray.stopped


def test_a_ray_of_the_callers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = _Ray(running=True)
    monkeypatch.setattr(runner, "_imported", lambda *_: ray)
    with open_backend("ray", workers=5):
        assert not ray.asked
    assert not ray.stopped


def test_a_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_imported", lambda *_: _Ray(running=False, error=Exception("timed out")))
    with pytest.raises(RunError, match="Ray does not start on this machine: timed out"), open_backend("ray", workers=1):
        pass


def test_an_address_without_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_imported", lambda *_: _Ray(running=False, error=ConnectionError("nobody")))
    with (
        pytest.raises(InputError, match="no Ray cluster answers at auto: nobody; start one or correct it"),
        open_backend("ray", workers=1, address="auto"),
    ):
        pass


class DeathError(Exception):
    pass


def _dying(
    job: Job, cells: Iterator[Cell], *, at: float, times: list[int], ahead: int = 1, tried: list[str] | None = None
) -> Iterator[Row]:
    """Workers of which one dies with the cell that has some setting, so many times, while some cells wait."""
    waiting: list[Cell] = []
    more = True
    while more or waiting:
        for cell in cells:
            waiting.append(cell)
            if len(waiting) > ahead:
                break
        else:
            more = False
        if waiting:
            cell = waiting.pop(0)
            if tried is not None:
                tried.append(cell.key)
            if times[0] and cell.settings["los"]["interval"] == at:
                times[0] -= 1
                raise DeathError("killed\nsomewhere")
            yield job(cell)


def test_every_cell_comes_once(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(30)
    assert _run(cells, toy(), places, Backend("here", map)) == _expected(cells, toy(), places)


@pytest.mark.parametrize("ahead", [0, 1, 5])
@pytest.mark.parametrize("at", [1, 4, 9])
def test_a_worker_that_dies_once_loses_nothing(toy: Toy, plan: Plan, places: Places, ahead: int, at: int) -> None:
    cells, times = plan(9), [1]
    backend = Backend("dying", partial(_dying, at=at, times=times, ahead=ahead), (DeathError,))
    assert _run(cells, toy(), places, backend) == _expected(cells, toy(), places)
    assert times == [0]


def test_a_cell_that_takes_its_worker_with_it_is_told(toy: Toy, plan: Plan, places: Places) -> None:
    cells, tried = plan(9), list[str]()
    backend = Backend("dying", partial(_dying, at=5, times=[99], tried=tried), (DeathError,))
    rows = {key: row["error"] for key, row in _run(cells, toy(), places, backend).items()}
    assert rows.pop(cells[4].key) == "its worker died 2 times: killed"
    assert set(rows.values()) == {None}
    assert len(tried) <= 9 + 3 + 2, "cells that are done are not run again, but for those under way"


def test_workers_that_die_before_any_work_are_no_endless_loop(toy: Toy, plan: Plan, places: Places) -> None:
    def dead(job: Job, cells: Iterator[Cell]) -> Iterator[Row]:
        raise DeathError("no memory")

    with pytest.raises(RunError, match="workers of dead die before they get any work: no memory"):
        _run(plan(2), toy(), places, Backend("dead", dead, (DeathError,)))


def test_other_errors_are_not_taken_for_death(toy: Toy, plan: Plan, places: Places) -> None:
    def broken(job: Job, cells: Iterator[Cell]) -> Iterator[Row]:
        next(cells)
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        _run(plan(2), toy(), places, Backend("broken", broken, (DeathError,)))


def test_real_processes_that_are_killed_lose_nothing(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(12)
    with open_backend("loky", workers=2) as backend:
        rows = _run(cells, toy(kills=3.0, flag=str(places.root / "flag"), fails=5.0), places, backend)
    assert (places.root / "flag").exists()
    assert [key for key, row in rows.items() if row["error"]] == [cells[4].key]


def test_a_cell_that_always_kills_its_process_does_not_stop_the_rest(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(6)
    with open_backend("loky", workers=2) as backend:
        errors = {key: row["error"] for key, row in _run(cells, toy(kills=2.0), places, backend).items()}
    assert str(errors.pop(cells[1].key)).startswith("its worker died 2 times: A worker process managed by the executor")
    assert list(errors.values()) == [None] * 5


@pytest.fixture
def rows(toy: Toy, plan: Plan, places: Places) -> list[Row]:
    return [work(toy(fails=3.0), places, cell) for cell in plan(6)]


def test_what_is_kept_is_there_again_and_the_later_line_counts(tmp_path: Path, rows: list[Row]) -> None:
    rows[0]["value"] = float("inf")
    with closing(Store(tmp_path / "out")) as store:
        for row in rows:
            store.add(row)
    with closing(Store(tmp_path / "out")) as store:
        assert store.rows == {row["key"]: row for row in rows}
        store.add({**rows[1], "value": 7})
    with closing(Store(tmp_path / "out")) as store:
        assert store.rows == {row["key"]: row for row in rows} | {rows[1]["key"]: {**rows[1], "value": 7}}
    assert (tmp_path / "out" / "cells.jsonl").read_text().count("\n") == 7


def test_half_a_line_of_a_killed_sweep_goes(tmp_path: Path, rows: list[Row]) -> None:
    with closing(Store(tmp_path)) as store:
        store.add(rows[0])
    path = tmp_path / "cells.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "ab')
    with closing(Store(tmp_path)) as store:
        assert list(store.rows) == [rows[0]["key"]]
        assert path.read_bytes() == whole
        store.add(rows[1])
    with closing(Store(tmp_path)) as store:
        assert len(store.rows) == 2


def test_a_full_disk_is_told(tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Store(tmp_path)) as store:
        monkeypatch.setattr(store, "_path", Path("/dev/full"))
        with pytest.raises(InputError, match="cannot write /dev/full: No space left on device; make room and start"):
            store.add(rows[0])
        assert not store.rows


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    with closing(Store(tmp_path)), pytest.raises(InputError, match="another sweep is writing to"):
        Store(tmp_path)
    Store(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*cells.jsonl"):
        Store(tmp_path / "file")


@pytest.mark.parametrize("line", ["no json", "[1]", '{"a": 1}'])
def test_a_foreign_line_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "cells.jsonl").write_text('{"key": "k", "error": null}\n' + line + "\n")
    with pytest.raises(InputError, match=r"line 2 of .*cells.jsonl is no cell of a sweep; remove it"):
        Store(tmp_path)


def test_the_table_does_not_depend_on_the_order(rows: list[Row], plan: Plan) -> None:
    cells = plan(6)
    one, two = (
        runner.joined(some, {str(row["key"]): row for row in order})
        for some, order in ((cells, rows), (cells[::-1], rows[::-1]))
    )
    assert one.equals(two)
    assert one.column_names == ["key", "los.interval", "seed", "half", "value", "word", "error"]
    assert one["key"].to_pylist() == sorted(cell.key for cell in cells)
    (bad,) = [row for row in one.to_pylist() if row["error"]]
    assert (bad["los.interval"], bad["value"], bad["word"]) == (3.0, None, None)


def test_settings_of_several_kinds_become_text() -> None:
    cells = [Cell(f"{at}", 0, {"a": value}, {}) for at, value in enumerate((True, 2, None, "x"))]
    found: dict[str, Row] = {cell.key: failed(cell, "no") for cell in cells}
    table = runner.joined(cells, found)
    assert table["a"].to_pylist() == ["True", "2", None, "x"]
    assert table["error"].to_pylist() == ["no"] * 4


def test_whole_numbers_stay_whole_beside_null() -> None:
    cells = [Cell(f"{at}", 0, {"a": value}, {}) for at, value in enumerate((1, None, 2**40))]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "n": 1} for cell in cells}
    found["1"] = failed(cells[1], "no")
    table = runner.joined(cells, found)
    assert table["a"].type == table["n"].type == pa.int64()
    assert table["n"].to_pylist() == [1, None, 1]
    assert table["error"].type == pa.string()


MEASURES = ("value", "half", "word", "absent")


def _frame(experiment: Experiment, cells: list[Cell], places: Places) -> pd.DataFrame:
    return frame(runner.joined(cells, _expected(cells, experiment, places)), cells)


def test_means_and_intervals_are_those_over_the_seeds(toy: Toy, plan: Plan, places: Places) -> None:
    table = _frame(toy(), plan(12, seeds=4), places)
    found = summary(table, ["los.interval"], MEASURES)
    assert found["los.interval"].tolist() == list(range(1, 13)), "in the order of the sweep"
    assert found["cells"].tolist() == [4] * 12
    assert list(found)[3:] == ["value", "value_low", "value_high", "half", "half_low", "half_high"]
    for row in found.to_dict("records"):
        values = table.loc[table["los.interval"] == row["los.interval"], "value"]
        assert (row["value"], row["value_low"], row["value_high"]) == stats.interval(values)


def test_failed_cells_are_counted_and_left_out(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(fails=2.0), plan(3, seeds=2), places), ["los.interval"], MEASURES)
    assert found["cells"].tolist() == [2, 0, 2]
    assert found["failed"].tolist() == [0, 2, 0]
    assert np.isnan(found["value"]).tolist() == [False, True, False]


def test_nothing_but_failures_still_gives_a_table(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(fails=1.0), plan(1, seeds=2), places), ["los.interval"], MEASURES)
    assert found.to_dict("records") == [{"los.interval": 1.0, "cells": 0, "failed": 2}]


def test_one_seed_has_no_interval(toy: Toy, plan: Plan, places: Places) -> None:
    found = summary(_frame(toy(), plan(2), places), ["los.interval"], ["value"])
    assert found["value"].notna().all()
    assert found[["value_low", "value_high"]].isna().all(axis=None)


@pytest.mark.parametrize("values", [(None, 4), ("x", None)])
def test_null_is_a_value_of_a_setting(values: tuple[object, ...]) -> None:
    cells = [Cell(f"{at}{seed}", seed, {"a": value}, {}) for at, value in enumerate(values) for seed in (0, 1)]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "v": 1.0} for cell in cells}
    table = summary(frame(runner.joined(cells, found), cells), ["a"], ["v"])
    assert table["a"].tolist() == ["none" if value is None else str(value) for value in values]
    assert table["cells"].tolist() == [2, 2]


def test_two_settings_are_told_apart() -> None:
    cells = [Cell(f"{a}{b}", 0, {"a": a, "b": b}, {}) for a in (2, 1) for b in ("y", "x")]
    found: dict[str, Row] = {cell.key: {"key": cell.key, "error": None, "v": at} for at, cell in enumerate(cells)}
    table = summary(frame(runner.joined(cells, found), cells), ["a", "b"], ["v"])
    assert table[["a", "b", "v"]].to_numpy().tolist() == [[2, "y", 0], [2, "x", 1], [1, "y", 2], [1, "x", 3]]


def test_each_cell_gives_a_row(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(3)
    rows = [work(toy(), places, cell) for cell in cells]
    assert [row["key"] for row in rows] == [cell.key for cell in cells]
    assert [row["error"] for row in rows] == [None] * 3
    assert [row["word"] for row in rows] == ["odd", "even", "odd"]
    for cell, row in zip(cells, rows, strict=True):
        assert row["value"] == cell.settings["los"]["interval"] + np.random.default_rng(cell.root()).random()
        assert type(row["half"]) is float


def test_a_cell_that_fails_is_told(toy: Toy, plan: Plan, places: Places) -> None:
    row = work(toy(fails=2.0), places, plan(3)[1])
    assert str(row["error"]).startswith("ValueError: no luck at all (in conftest.py, line ")
    assert set(row) == {"key", "error"}


def test_reasons_are_one_line(plan: Plan) -> None:
    (cell,) = plan(1)
    assert failed(cell, "a\n b") == {"key": cell.key, "error": "a b"}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("los.interval", 1.0, "ValueError: the experiment returned a column los.interval, which the sweep has itself"),
        ("seed", 1, "ValueError: the experiment returned a column seed"),
        ("key", "x", "ValueError: the experiment returned a column key"),
        ("found", [1, 2], "TypeError: the experiment returned a list as found; return one value"),
    ],
)
def test_what_is_no_result_is_refused(
    toy: Toy, plan: Plan, places: Places, column: str, value: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = toy()

    def run(settings: Mapping[str, Any], seed: np.random.SeedSequence, places: Places) -> dict[str, Any]:
        return {column: value}

    monkeypatch.setattr(experiment, "run", run)
    row = work(experiment, places, plan(1)[0])
    assert str(row["error"]).startswith(message)
