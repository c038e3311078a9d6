import shutil


def test_info_and_clear(place, say, tmp_path):
    shutil.copytree(place / "cache", tmp_path / "cache")
    said = say("cache", "info", "--cache", tmp_path / "cache", "--json")
    assert said.status == 0
    made = said.document
    assert made["bytes"] == sum(entry["bytes"] for entry in made["entries"]) > 0
    assert {entry["examples"] for entry in made["entries"]} == {42}
    told = say("cache", "info", "--cache", tmp_path / "cache")
    assert "tiny at conv1" in told.out
    assert "42 examples" in told.out
    freed = say("cache", "clear", "--cache", tmp_path / "cache", "--json").document["freed"]
    assert freed == made["bytes"]
    assert say("cache", "info", "--cache", tmp_path / "cache", "--json").document["entries"] == []


def test_the_folder_is_that_of_the_environment(say, tmp_path, monkeypatch):
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "mine"))
    assert say("cache", "info", "--json").document["folder"].startswith(str(tmp_path / "mine"))
