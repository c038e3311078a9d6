from benchmarks import codings
from benchmarks.frame import Settings
from benchmarks.sides import Request, Side


def _side(split: int, dtype: str, accuracy: float, rounded: float) -> Side:
    return Side("fit", Request("flowers5_227px", split, dtype=dtype), accuracy, 1.0, {}, 1.0, rounded)


def test_codings_are_compared_split_by_split():
    measured = [
        _side(0, "float32", 0.90, 0.0),
        _side(0, "float16", 0.90, 2e-4),
        _side(0, "int8", 0.88, 1e-2),
        _side(1, "float32", 0.80, 0.0),
        _side(1, "float16", 0.82, 4e-4),
        _side(1, "int8", 0.80, 1e-2),
    ]
    result = codings.compare(measured, Settings())
    assert result.tables[0].rows == (
        ("float32", "0.0e+00", "85.0", "+0.0", "0.0"),
        ("float16", "3.0e-04", "86.0", "+1.0", "1.0"),
        ("int8", "1.0e-02", "84.0", "-1.0", "1.0"),
    )
