"""Bad input: a message that says what, where, what is allowed and what to do; no traceback."""

import gzip
import json

import pytest

from imbalance.cli.main import run
from tests.captures.samples import SPOT, recording
from tests.cli.process import restricted


def refused(capsys, *arguments, code=2):
    assert run([str(a) for a in arguments]) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert said.err.startswith("error: ")
    return said.err


def test_unknown_command_names_the_nearest(capsys):
    assert "did you mean 'status'?" in refused(capsys, "statsu")


def test_unknown_option_names_the_nearest(capsys):
    said = refused(capsys, "run", "--form", "2024-01-01")
    assert "did you mean '--from'?" in said
    assert "allowed: " in said


def test_wrong_value_of_an_option(capsys):
    assert "'xml' is not one of" in refused(capsys, "sql", "select 1", "--format", "xml")


def test_missing_argument(capsys):
    assert "to do:   imbalance sql --help" in refused(capsys, "sql")


def test_no_home(capsys, tmp_path):
    said = refused(capsys, "--home", tmp_path / "none", "status")
    assert "there is no home" in said
    assert "to do: " in said


@pytest.mark.parametrize("command", ["status", "run", "doctor", "verify"])
def test_a_home_of_a_user_who_is_not_there(capsys, command):
    said = refused(capsys, "--home", "~nobody-of-that-name/h", command)
    assert "'~nobody-of-that-name' is the home directory of no user" in said
    assert "where:   ~nobody-of-that-name/h" in said


@pytest.mark.parametrize("command", ["studies", "status", "run", "plan"])
def test_a_format_of_ones_own_that_is_not_allowed_is_refused_whatever_is_asked(
    capsys, tmp_path, command
):
    config = tmp_path / "settings.toml"
    config.write_text('[formats.mine]\ntable = "x"\n')
    said = refused(capsys, "--config", config, "--home", tmp_path / "h", command)
    assert "table = 'x' is not allowed" in said
    assert f"where:   {config}:2" in said


def test_errors_are_json_when_asked(capsys, tmp_path):
    assert run(["--json", "--home", str(tmp_path / "none"), "status"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"error", "where", "allowed", "fix", "exit_code"}
    assert document["exit_code"] == 2


@pytest.mark.parametrize("day", ["2024-13-01", "yesterday", "20240808x"])
def test_wrong_day(capsys, tmp_path, day):
    said = refused(capsys, "--home", tmp_path / "h", "run", "--from", day)
    assert "--from" in said
    assert "YYYY-MM-DD" in said


def test_days_the_wrong_way_round(capsys, tmp_path):
    said = refused(capsys, "--home", tmp_path / "h", "run", "--from", "2024-08-09", "--to",
                   "2024-08-08")
    assert "is after --to" in said


def test_no_such_captures(capsys, tmp_path):
    said = refused(capsys, "--home", tmp_path / "h", "run", tmp_path / "nowhere")
    assert "there is no file or directory" in said
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize("command", ["run", "ingest", "demo"])
def test_an_empty_path_is_not_the_working_directory(capsys, tmp_path, monkeypatch, command):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/trades.gz").write_bytes(gzip.compress(b"".join(recording(SPOT, 3))))
    monkeypatch.chdir(tmp_path / "here")
    said = refused(capsys, "--home", tmp_path / "h", command, tmp_path / "here/trades.gz", "")
    assert "an empty path; '.' is the working directory" in said
    assert f"imbalance {command} --help" in said
    assert not (tmp_path / "h").exists()


def test_a_directory_without_captures(capsys, tmp_path):
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "README.md").write_text("nothing here")
    said = refused(capsys, "--home", tmp_path / "h", "run", tmp_path / "captures")
    assert "holds no captures" in said


def test_an_unknown_format_is_noted_and_nothing_is_lost(capsys, tmp_path):
    strange = tmp_path / "prices.csv"
    strange.write_text("time,price\n1,2\n3,4\n" * 50)
    home = tmp_path / "h"
    code = run(["--json", "--home", str(home), "run", str(strange)])
    said = capsys.readouterr()
    assert code == 5
    assert "Traceback" not in said.out + said.err
    assert "prices.csv" in said.out
    assert strange.read_text().startswith("time,price")


def test_what_is_known_is_not_said_to_be_of_one_venue(capsys, tmp_path):
    (tmp_path / "words.txt").write_text("nothing of this\n")
    said = refused(capsys, "--home", tmp_path / "h", "run", tmp_path / "words.txt", code=5)
    assert "allowed: capture files of a known format" in said
    assert "to do:   imbalance formats lists them" in said


def test_a_damaged_gzip_is_noted_whole(capsys, tmp_path):
    data = bytearray(gzip.compress(b"1723161245000000000 {}\n" * 1000))
    data[-6] ^= 0xFF
    damaged = tmp_path / "btcusdt_20240808.gz"
    damaged.write_bytes(bytes(data))
    assert run(["--json", "--home", str(tmp_path / "h"), "run", str(damaged)]) == 5
    assert "btcusdt_20240808.gz" in capsys.readouterr().out


def test_an_unreadable_file(tmp_path):
    locked = tmp_path / "in" / "locked.gz"
    locked.parent.mkdir()
    locked.write_bytes(gzip.compress(b"x"))
    locked.chmod(0)
    done = restricted("run", tmp_path / "in", home=tmp_path / "h")
    assert done.returncode == 2
    assert "error: the file cannot be read: Permission denied" in done.stderr
    assert str(locked) in done.stderr


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
@pytest.mark.parametrize("command", ["run", "ingest"])
def test_an_unreadable_directory_below(tmp_path, command, mode):
    below = tmp_path / "in" / "below"
    below.mkdir(parents=True)
    (tmp_path / "in" / "a.gz").write_bytes(gzip.compress(b"x"))
    (below / "b.gz").write_bytes(gzip.compress(b"x"))
    below.chmod(mode)
    done = restricted(command, tmp_path / "in", home=tmp_path / "h")
    named = restricted(command, below / "b.gz", home=tmp_path / "h")
    below.chmod(0o755)
    assert done.returncode == 2
    assert "error: the file or directory cannot be read: Permission denied" in done.stderr
    assert f"where:   {below}" in done.stderr
    assert named.returncode == (5 if mode == 0o111 else 2)
    assert "unexpected" not in named.stderr


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("[studies]\nreplicatons = 99\n", 2, "did you mean 'replications'?"),
        ("[studies]\nreplications = 5\n", 2, "a whole number from 99"),
        ("[study]\n", 1, "did you mean 'studies'?"),
        ("replications = 99\n", 1, "did you mean 'replications' of [studies]?"),
        ('[studies]\nfirst_day = "2024-08-08"\n', 2, "did you mean 'first_day' above all tables?"),
        ('first_day = "soon"\n', 1, "YYYY-MM-DD"),
    ],
)
def test_a_malformed_configuration_names_file_and_line(capsys, tmp_path, text, line, hint):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    capture = tmp_path / "c.gz"
    capture.write_bytes(gzip.compress(b""))
    said = refused(capsys, "--config", path, "--home", tmp_path / "h", "run", capture)
    assert f"{path}:{line}" in said
    assert hint in said
    assert "to do:   mend that line; docs/settings.md lists" in said


def test_a_configuration_that_is_no_toml(capsys, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[studies\n")
    said = refused(capsys, "--config", path, "--home", tmp_path / "h", "doctor")
    assert "the configuration is not TOML: Expected ']' at the end of a table" in said
    assert "to do:   mend the line it names" in said


def test_a_configuration_that_is_not_there(capsys, tmp_path):
    said = refused(capsys, "--config", tmp_path / "no.toml", "--home", tmp_path / "h", "doctor")
    assert "cannot be read" in said
    assert "to do:   give another one with --config" in said


def test_a_report_of_no_name(capsys, tmp_path):
    from imbalance.store.home import Home

    Home.open(tmp_path / "h", create=True)
    said = refused(capsys, "--home", tmp_path / "h", "report", "")
    assert "the file has no name" in said
    assert "where:   OUT.html" in said


def test_run_without_captures_in_an_empty_home(capsys, tmp_path):
    from imbalance.store.home import Home

    Home.open(tmp_path / "h", create=True)
    said = refused(capsys, "--home", tmp_path / "h", "run")
    assert "no captures are registered" in said


def test_only_the_library_installed(capsys, tmp_path, monkeypatch, small_captures):
    import imbalance

    monkeypatch.setattr(imbalance, "__file__", str(tmp_path / "site" / "imbalance" / "__init__.py"))
    said = refused(capsys, "--home", tmp_path / "h", "run", small_captures)
    assert "needs the application" in said


@pytest.mark.parametrize(
    "start", ["9999-12-31T23:59", "1969-12-31T23:59", "2200-01-01T00:00", "0001-01-01T00:00+05:00"]
)
def test_a_simulation_in_another_age(capsys, tmp_path, start):
    said = refused(capsys, "simulate", tmp_path / "c", "--start", start)
    assert "start" in said
    assert "1970-01-01 to before 2200-01-01" in said
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("skew", ["nan", "1e12"])
def test_a_simulated_clock_beyond_reason(capsys, tmp_path, skew):
    assert "clock" in refused(capsys, "simulate", tmp_path / "c", "--skew", skew)


@pytest.mark.parametrize("minutes", ["nan", "NaN", "inf", "-inf", "0", "-5", "1441"])
def test_a_simulation_of_no_length(capsys, tmp_path, minutes):
    for words in (["simulate", tmp_path / "c"], ["--home", tmp_path / "h", "demo"]):
        said = refused(capsys, *words, "--minutes", minutes)
        assert "is not in the range 1.0<=x<=1440.0" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x", "{0}/file/x"])
def test_a_simulation_that_cannot_be_written(capsys, tmp_path, place):
    (tmp_path / "file").touch()
    place = place.format(tmp_path)
    said = refused(capsys, "simulate", place, "--minutes", 1)
    assert f"cannot write '{place}': No" in said
    assert "where:   simulation: directory" in said


def test_a_simulation_in_a_directory_that_may_only_be_read(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for place in (locked, locked / "below"):
        done = restricted("simulate", place, "--minutes", 1, home=tmp_path / "h")
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: cannot write '{place}': Permission denied\n")
    assert list(locked.iterdir()) == []


def test_ui_refuses_the_network(capsys, tmp_path):
    said = refused(capsys, "--home", tmp_path / "h", "ui", "--host", "0.0.0.0")  # noqa: S104
    assert "asks nobody for a password" in said
    assert "--i-have-a-proxy" in said


def test_an_error_of_ours_goes_to_a_file(capsys, tmp_path, monkeypatch):
    import imbalance.cli.tables as module

    monkeypatch.setattr(module.catalog, "tables", lambda: 1 / 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    said = refused(capsys, "--home", tmp_path / "h", "tables", code=1)
    assert "unexpected: ZeroDivisionError" in said
    logs = list(tmp_path.glob("imbalance-*.log"))
    assert len(logs) == 1
    assert "Traceback" in logs[0].read_text()


def test_a_lost_ledger_is_not_put_down_to_the_history_of_runs(capsys, tmp_path):
    from imbalance.store.home import Home

    home = Home.open(tmp_path / "h", create=True)
    (home.tables_dir / "raw").mkdir()
    (home.tables_dir / "raw" / "0123.parquet").touch()
    home.dagster_dir.mkdir()
    (home.dagster_dir / "dagster.yaml").touch()
    for path in home.root.glob("ledger.sqlite*"):
        path.unlink()
    home.ledger_path.touch()
    assert run(["--json", "--home", str(home.root), "doctor"]) == 1
    found = json.loads(capsys.readouterr().out)["diagnoses"]
    problems = [one for one in found if one["level"] == "problem"]
    assert [one["subject"] for one in problems] == ["ledger"]
    assert "from a copy" in problems[0]["fix"]
