import pytest

from regraft.cli import main
from regraft.core.errors import RequestError
from regraft.recipes import demo


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RequestError, match="is not empty and holds no demo"):
        demo.clear(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_the_new_digits_are_divided_and_none_is_twice(tmp_path):
    import numpy as np

    images, labels = demo.digits()
    assert (images.shape, images.dtype, images.min(), images.max()) == ((1797, 8, 8, 1), np.uint8, 0, 255)
    demo.write_data(tmp_path / "d.npz", tmp_path / "pictures", images[labels > 4], labels[labels > 4], 0)
    with np.load(tmp_path / "d.npz") as made:
        counts = {part: np.unique(made[f"{part}_labels"], return_counts=True) for part in ("train", "val", "test")}
        assert sum(len(made[f"{part}_images"]) for part in counts) == (labels > 4).sum()
    assert counts["train"][0].tolist() == ["5", "6", "7", "8", "9"]
    assert set(counts["train"][1]) == {10}
    assert set(counts["val"][1]) == {20}
    assert len(list((tmp_path / "pictures").iterdir())) == 10


@pytest.mark.slow
def test_the_demo_and_what_it_leaves_to_the_next(tmp_path, capsys, monkeypatch):
    out = tmp_path / "demo"
    # How much is learnt makes no difference to what is there afterwards.
    monkeypatch.setattr(demo, "EPOCHS", 1)
    assert main(["demo", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "A network learnt the digits 0 to 4 from 701 pictures" in told
    assert "from scratch" in told
    assert str(out / "run" / "report.html") in told
    assert (out / "run" / "report.html").exists()
    assert main(["predict", str(out / "run"), str(out / "pictures"), "--json"]) == 0
    # The next one begins in the same folder as in a new one: in both there is nothing but this mark then.
    for folder in (out, tmp_path / "new"):
        demo.clear(folder)
        assert [path.name for path in folder.iterdir()] == [".regraft-demo"]
