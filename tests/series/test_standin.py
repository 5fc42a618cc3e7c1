from pathlib import Path

import pytest

from edgeresearch.errors import InputError
from edgeresearch.series import aarhus, qps, registry, standin, utilisation
from edgeresearch.series.fetch import fetch

TWITTER = "qps/twitter_stream_aug_2021_per_second.csv.gz"


def _fetched(folder: Path, *names: str) -> Path:
    fetch(folder, source="synthetic", files=names, seed=0, warn=lambda _: None)
    return folder


@pytest.mark.parametrize("name", list(qps.TRACES))
def test_request_traces_are_read_by_their_loader(name: str, tmp_path: Path) -> None:
    trace = qps.load(name, _fetched(tmp_path, qps.TRACES[name].file))
    assert trace.label == f"{name} (synthetic)"
    assert trace.origin.source == "synthetic"
    assert trace.values.notna().all()
    assert {key: value for key, value in trace.repairs.items() if value} in ({}, {"partial_dropped": 1})


@pytest.mark.parametrize("name", list(utilisation.TRACES))
def test_utilisation_traces_are_read_by_their_loader(name: str, tmp_path: Path) -> None:
    trace = utilisation.load(name, _fetched(tmp_path, utilisation.TRACES[name].file))
    assert not trace.origin.real
    assert trace.frame.min().min() >= 0 and trace.frame.max().max() <= 100
    assert len(trace.frame) > 2000
    assert set(trace.repairs.values()) == {0}


def test_traffic_is_read_by_its_loader_with_its_repeated_speeds(tmp_path: Path) -> None:
    name = "aarhus_traffic/trafficData158324.csv.gz"
    trace = aarhus.traffic(_fetched(tmp_path, name), 158324)
    assert not trace.origin.real
    assert trace.repairs["repeated_speed"] > 0
    counted = trace.frame["vehicle_count"] > 0
    assert trace.frame.loc[counted].notna().all().all()
    assert b"\r\n" in registry.content(tmp_path / name)


def test_traffic_of_the_earlier_period(tmp_path: Path) -> None:
    folder = _fetched(tmp_path, "aarhus_traffic/trafficData158355_feb_jun_2014.csv.gz")
    assert str(aarhus.traffic(folder, 158355, "feb_jun").frame.index[0]) == "2014-02-13 11:30:00"


def test_pollution_is_read_by_its_loader(tmp_path: Path) -> None:
    trace = aarhus.pollution(_fetched(tmp_path, "aarhus_pollution/pollutionData158324.csv.gz"), 158324)
    assert len(trace.frame) == 17568
    assert trace.origin.note.startswith("not the pinned file")


def test_metadata_covers_every_pinned_sensor(tmp_path: Path) -> None:
    table = aarhus.metadata(_fetched(tmp_path, aarhus.METADATA))
    assert len(table) == 42
    assert table["length"].between(300, 3000).all()


def test_every_pinned_file_has_a_stand_in_of_its_own() -> None:
    some = [name for name in registry.pins() if name.startswith("aarhus_pollution")][:3]
    made = {standin.make(name, 0) for name in some}
    assert len(made) == len(some)


def test_the_seed_alone_decides_the_bytes() -> None:
    name = "qps/dsp_wiki_de_5min.csv.gz"
    assert standin.make(name, 1) == standin.make(name, 1) != standin.make(name, 2)


def test_twitter_is_a_column_of_whole_counts() -> None:
    lines = standin.make(TWITTER, 0).split(b"\n", 5)
    assert lines[0] == b"count"
    assert all(line.isdigit() for line in lines[1:5])


def test_a_negative_seed_and_an_unknown_file_are_errors() -> None:
    with pytest.raises(InputError, match="seed -1 is negative"):
        standin.make(TWITTER, -1)
    with pytest.raises(InputError, match="unknown data file"):
        standin.make("qps/other.csv.gz", 0)
