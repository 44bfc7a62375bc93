"""Places, answers and files of users that are no files, no JSON, no text or no times."""

import json
import os
import subprocess
import threading
import tomllib

import pytest

from imbalance.cli.main import run
from imbalance.cli.ui import _named
from imbalance.config_file import as_settings, load_config, to_toml
from imbalance.errors import UserError
from tests.cli.process import command, restricted, words

FEATURES = ("-F", "bars_1s.order_flow_imbalance")


@pytest.fixture
def ask(filled, capfd):
    """Run a command on the filled home; its code, output and errors."""

    def call(*arguments, config=None):
        code = run(words(*arguments, home=filled.home, config=config or filled.config))
        said = capfd.readouterr()
        assert "unexpected" not in said.err + said.out
        return code, said.out, said.err

    return call


def read_pipe(path, found):
    with path.open("rb") as pipe:
        found.append(pipe.read())


@pytest.mark.parametrize(("words_", "name", "begins"), [
    (("report",), "out.html", b"<!doctype html>"),
    (("training-set", *FEATURES, "-o"), "out.csv", b'"instrument"'),
])
def test_a_pipe_is_written_to_and_a_link_leads_to_its_file(ask, tmp_path, words_, name, begins):
    pipe = tmp_path / name
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=read_pipe, args=(pipe, found))
    reader.start()
    code, _, said = ask(*words_, pipe)
    reader.join()
    assert code == 0, said
    assert pipe.is_fifo()
    assert found[0][:40].lower().startswith(begins)
    pipe.unlink()
    link, target = tmp_path / name, tmp_path / "target"
    target.write_text("old")
    link.symlink_to(target)
    assert ask(*words_, link)[0] == 0
    assert link.is_symlink()
    assert target.read_bytes()[:40].lower().startswith(begins)
    assert {path.name for path in tmp_path.iterdir()} == {name, "target"}


def test_two_training_sets_into_one_file_leave_one_of_them_whole(filled, tmp_path):
    out = tmp_path / "both.csv"
    features = (FEATURES, (*FEATURES, "-F", "bars_1s.spread_bps"))
    made = [subprocess.Popen(
        command("training-set", *of, "-o", out, home=filled.home, config=filled.config),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for of in features]
    for one in made:
        _, said = one.communicate()
        assert one.returncode == 0, said
    lines = out.read_text().splitlines()
    assert len({line.count(",") for line in lines}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["both.csv"]


def test_json_of_a_query_that_fails_midway_is_the_error_alone(ask):
    query = "select i, case when i > 200000 then error('late') end as x from range(300000) t(i)"
    code, out, _ = ask("--json", "sql", query)
    assert code == 2
    assert "late" in json.loads(out)["error"]


@pytest.mark.parametrize("value", [
    "340282366920938463463374607431768211455::uhugeint", "5::bignum", "timetz '01:02:03+02'",
    "'101'::bit", "[timetz '01:02:03+02']",
])
def test_values_that_would_be_others_are_refused(ask, value):
    for form in ("table", "csv", "json"):
        code, out, said = ask("sql", "-f", form, f"select 1 as a, {value} as x")
        assert (code, out) == (2, "")
        assert "column 'x' is of type" in said
        assert "::varchar" in said
    assert ask("sql", "-f", "csv", f"select ({value})::varchar as x")[0] == 0


def test_names_within_a_type_are_no_types(ask):
    for value in ("'BIT'::enum('BIT', 'it''s')", "{'BIT': 1, 'a\"BIT': 2}"):
        assert ask("sql", "-f", "json", f"select {value} as x")[0] == 0


def test_infinite_times_are_null_and_those_too_far_are_told(ask):
    infinite = ("timestamptz 'infinity'", "timestamp '-infinity'", "timestamp_ns 'infinity'",
                "date 'infinity'", "date '-infinity'", "null::date")
    finite = ("timestamp '2024-01-01'", "date '1969-12-31'", "time '01:02:03'")
    listed = ", ".join(f"{value} as c{k}" for k, value in enumerate((*infinite, *finite)))
    code, out, _ = ask("--json", "sql", f"select {listed}")
    assert code == 0
    (row,) = json.loads(out)["rows"]
    assert list(row.values()) == [
        *[None] * len(infinite), "2024-01-01 00:00:00.000000", "1969-12-31", "01:02:03.000000"]
    code, out, _ = ask("--json", "sql", "select [date '290000-01-01'] as far")
    assert code == 2
    assert "'far' is a date or time that cannot be shown" in json.loads(out)["error"]


@pytest.mark.parametrize("arguments", [
    ("--home", "{0}/h", "status"), ("--home", "{0}", "doctor"), ("--home", "{0}/h", "demo"),
])
def test_a_path_that_is_too_long(capfd, tmp_path, arguments):
    place = str(tmp_path / ("a" * 300))
    assert run([one.format(place) for one in arguments]) == 2
    said = capfd.readouterr().err
    assert "a path cannot be used: File name too long" in said
    assert place in said


def test_a_directory_that_may_not_be_entered(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    for arguments in (("status",), ("doctor",)):
        done = restricted(*arguments, home=closed / "h")
        assert done.returncode == 2, done
        assert "a path cannot be used: Permission denied" in done.stderr
    closed.chmod(0o700)


def test_the_home_of_a_user_is_found_whatever_is_asked(filled, capfd, monkeypatch):
    monkeypatch.setenv("HOME", str(filled.home.parent))
    for name in ("tables", "status"):
        assert run(["--home", f"~/{filled.home.name}", "--config", str(filled.config), name]) == 0
        assert "no home at" not in capfd.readouterr().out


def test_families_that_are_not_allowed_are_refused_whatever_is_asked(ask, tmp_path):
    for text, told in (
        ("[studies.families.nostudy.mine]\nnonsense = 1\n", "there is no study 'nostudy'"),
        ("[studies.families.correlation.mine]\nnonsense = 1\n", "nonsense"),
    ):
        config = tmp_path / "settings.toml"
        config.write_text(text)
        for name in ("status", "plan", "studies"):
            code, _, said = ask(name, config=config)
            assert code == 2
            assert told in said
            assert f"where:   {config}:" in said


def test_a_configuration_too_deep_or_with_too_large_a_number_is_no_toml(tmp_path):
    for text in (f"x = {'[' * 5000}{']' * 5000}", f"x = {'9' * 5001}"):
        (tmp_path / "settings.toml").write_text(text)
        with pytest.raises(UserError, match="the configuration is not TOML"):
            load_config(tmp_path / "settings.toml")


def test_settings_of_any_text_and_number_are_read_back():
    held = {"a": {'é\x7f"\\': ["📈\x7f\n", 1, 2.5, True], "b": [float("inf"), -float("inf")]}}
    assert tomllib.loads(to_toml(held)) == held
    (nan,) = tomllib.loads(to_toml({"x": [float("nan")]}))["x"]
    assert nan != nan  # noqa: PLR0124 - the one number that is not itself


def test_watched_directories_are_read_back(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('[captures]\nwatch = ["/data/📈"]\n')
    config = load_config(settings)
    settings.write_text(to_toml(as_settings(config)))
    assert load_config(settings) == config


@pytest.mark.parametrize(("time", "more"), [
    ("2262-04-11T23:47:16", ("-H", "1m")), ("1678-01-01T00:00:00", ("--max-age", "36500d")),
    ("1799-12-31T23:59:59.999", ()), ("2150-01-01", ()),
])
def test_moments_of_a_spine_leave_room_for_ages_and_horizons(ask, tmp_path, time, more):
    spine = tmp_path / "spine.csv"
    spine.write_text(f"instrument,time\nbinance:BTCUSDT,2024-08-08T00:00:00\nbinance:BTCUSDT,{time}\n")
    code, _, said = ask("training-set", *FEATURES, "--spine", spine, *more, "-o",
                        tmp_path / "out.csv")
    assert code == 2
    assert "row 2 of the spine: time is " in said
    assert "1800-01-01" in said


def test_a_spine_whose_header_is_no_text(ask, tmp_path):
    spine = tmp_path / "spine.csv"
    spine.write_bytes(b"instrument,time,caf\xe9\nbinance:BTCUSDT,2024-08-08T00:00:00,1\n")
    code, _, said = ask("training-set", *FEATURES, "--spine", spine, "-o", tmp_path / "out.csv")
    assert code == 2
    assert "UTF-8" in said


@pytest.mark.parametrize(("host", "named"), [
    ("localhost", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"),
    ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("10.0.0.5", "10.0.0.5"),  # noqa: S104
])  # fmt: skip
def test_the_address_is_one_that_a_browser_reaches(host, named):
    assert _named(host) == named
