import gc
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgeresearch.errors import InputError, RunError
from edgeresearch.sweep import backends
from edgeresearch.sweep.backends import Backend, opened
from edgeresearch.sweep.cells import Cell
from edgeresearch.sweep.experiments import Experiment, Places
from edgeresearch.sweep.own import sweep_file
from edgeresearch.sweep.rounds import run
from edgeresearch.sweep.work import Row, Task, work

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


def _rows(cells: list[Cell], experiment: Experiment, places: Places, backend: Backend) -> dict[str, Row]:
    rows = [row for found in run(cells, experiment, places, backend) for row in found.rows]
    assert len({row["key"] for row in rows}) == len(rows) == len(cells)
    return {str(row["key"]): row for row in rows}


def _expected(cells: list[Cell], experiment: Experiment, places: Places) -> dict[str, Row]:
    return {str(row["key"]): row for row in work(Task(experiment, places, cells)).rows}


@pytest.mark.parametrize("workers", [1, 2])
def test_loky_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places, workers: int) -> None:
    cells = plan(12, seeds=2)
    with opened("loky", workers=workers) as backend:
        assert (backend.name, backend.workers) == ("loky", workers)
        assert _rows(cells, toy(), places, backend) == _expected(cells, toy(), places)


def test_dask_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places, dask: str) -> None:
    cells = plan(12, seeds=2)
    with opened("dask", workers=7, address=dask) as backend:
        assert (backend.name, backend.workers) == ("dask", 2), "as many as the cluster has"
        assert _rows(cells, toy(), places, backend) == _expected(cells, toy(), places)


def test_a_worker_of_dask_that_is_killed_loses_nothing(toy: Toy, plan: Plan, places: Places, dask: str) -> None:
    cells, flag = plan(8), places.root / "flag"
    with opened("dask", workers=2, address=dask) as backend:
        assert _rows(cells, toy(kills=3.0, flag=str(flag)), places, backend) == _expected(cells, toy(), places)
    assert flag.exists()


@pytest.mark.slow
def test_dask_starts_a_cluster_of_its_own(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(4)
    with opened("dask", workers=2) as backend:
        assert backend.workers == 2
        assert _rows(cells, toy(), places, backend) == _expected(cells, toy(), places)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_ray_gives_what_one_process_gives(toy: Toy, plan: Plan, places: Places) -> None:
    cells = plan(12, seeds=2)
    with opened("ray", workers=7) as backend:
        assert (backend.name, backend.workers) == ("ray", 2), "as many as the cluster has"
        assert _rows(cells, toy(), places, backend) == _expected(cells, toy(), places)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_worker_of_ray_that_is_killed_loses_nothing(toy: Toy, plan: Plan, places: Places) -> None:
    cells, flag = plan(8), places.root / "flag"
    with opened("ray", workers=2) as backend:
        assert _rows(cells, toy(kills=3.0, flag=str(flag)), places, backend) == _expected(cells, toy(), places)
    assert flag.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_a_cell_that_always_kills_its_worker_of_ray_is_told(
    toy: Toy, plan: Plan, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "RETRIES", 0)  # each takes seconds
    cells = plan(4)
    with opened("ray", workers=2) as backend:
        rows = _rows(cells, toy(kills=2.0), places, backend)
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
        assert sweep_file(spec, out, **options).failed == 0
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
        opened(**options)


@pytest.mark.parametrize(("name", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_extra_is_told(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(InputError, match=rf"backend {name} needs an extra: pip install 'edgeresearch\[{name}\]'"),
        opened(name, workers=1),
    ):
        pass


def test_an_address_without_a_dask_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "PATIENCE", 0.2)
    with (
        pytest.raises(InputError, match="no Dask scheduler answers at tcp://127.0.0.1:9:"),
        opened("dask", workers=1, address="tcp://127.0.0.1:9"),
    ):
        pass


def test_a_dask_cluster_without_workers_is_told() -> None:
    with (
        _cluster(n_workers=0) as cluster,
        pytest.raises(InputError, match="has no worker; start some"),
        opened("dask", workers=1, address=cluster.scheduler_address),
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
        assert max_retries == backends.RETRIES
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
    monkeypatch.setattr(backends, "_imported", lambda *_: ray)
    with opened("ray", workers=5, address=address) as backend:
        assert backend.workers == 3
        assert asked.items() <= ray.asked.items()
        assert _rows(cells, toy(), places, backend) == _expected(cells, toy(), places)
        tasks = iter([Task(toy(), places, [cell]) for cell in cells])
        left = backend.map(tasks)
        next(left)
        left.close()  # type: ignore[attr-defined]
        assert len(ray.cancelled) == 2 * 3 - 1, "what is under way is called back"
        assert not ray.stopped
    assert ray.stopped


def test_a_ray_of_the_callers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = _Ray(running=True)
    monkeypatch.setattr(backends, "_imported", lambda *_: ray)
    with opened("ray", workers=5):
        assert not ray.asked
    assert not ray.stopped


def test_a_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_imported", lambda *_: _Ray(running=False, error=Exception("timed out")))
    with pytest.raises(RunError, match="Ray does not start on this machine: timed out"), opened("ray", workers=1):
        pass


def test_an_address_without_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_imported", lambda *_: _Ray(running=False, error=ConnectionError("nobody")))
    with (
        pytest.raises(InputError, match="no Ray cluster answers at auto: nobody; start one or correct it"),
        opened("ray", workers=1, address="auto"),
    ):
        pass
