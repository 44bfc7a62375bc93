"""`imbalance diff` tells a person what the comparison found."""

import json

from imbalance.cli.main import run
from imbalance.store import Home, Store
from imbalance.store.publishing import publish
from tests.store.samples import TABLES, bars, put, study


def test_two_generations_side_by_side(tmp_path, capsys):
    store = Store(Home.open(tmp_path / "home", create=True), tables=TABLES)
    for seed in (0, 1):
        put(store, "features.bars", bars(20, seed=seed))
        put(store, "studies.correlation", study(seed=seed), "2024-08-08")
        publish(store)
    first = min(path.name for path in store.home.generations_dir.glob("0*"))
    home = ("--home", str(store.home.root))
    assert run([*home, "diff", first]) == 0
    text = capsys.readouterr().out
    second = max(path.name for path in store.home.generations_dir.glob("0*"))
    assert text.splitlines()[0] == f"{first} → {second}"
    assert "features.bars: 20 → 20 rows; partitions: 1 changed" in text
    assert "order_flow_imbalance" in text
    assert "estimates that moved most:" in text
    assert run([*home, "--json", "diff", first, first]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["tables"]) == (True, [])
    assert run([*home, "diff", "nothing"]) == 2
    capsys.readouterr()
    assert run([*home, "diff", first.partition("-")[0]]) == 2
    assert f"did you mean {first!r}?" in capsys.readouterr().err
