"""A paper's table, as printed, becomes one record per cell; a mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.strict import InvalidValue
from manifests.tables import Published, read_choices, read_tables

GOOD = '''
paper = "P"
source = "S"

[[tables]]
table = "Table 1"
common = { dataset = "d", split = "s", way = 5 }
rows = ["method", "backbone"]
columns = [{ shot = 1 }, { shot = 5 }]
grid = """
dtw   agcn  70.5±0.4  80.0
"""
'''


def test_a_table_becomes_records(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD, encoding="utf-8")
    assert read_tables(tmp_path / "p.toml") == (
        Published("P", "Table 1", "d", "s", "dtw", "agcn", 5, 1, 70.5, 0.4, "S"),
        Published("P", "Table 1", "d", "s", "dtw", "agcn", 5, 5, 80.0, None, "S"),
    )


def test_a_dash_gives_no_record_and_variants_are_joined(tmp_path: Path) -> None:
    text = GOOD.replace("80.0", "-").replace("way = 5 }", 'way = 5, variant = "a" }')
    (tmp_path / "p.toml").write_text(text.replace("shot = 1 }", 'shot = 1, variant = "b" }'), encoding="utf-8")
    (row,) = read_tables(tmp_path / "p.toml")
    assert (row.shot, row.accuracy, row.variant) == (1, 70.5, "a b")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  80.0", "", "p.toml: Table 1: `dtw   agcn  70.5±0.4` has 1 cells; there are 2 columns"),
        ("80.0", "80,0", "p.toml: Table 1: `80,0` is not a cell; write 71.2±1.5, or 71.2 where no"),
        ("80.0", "80.0±", "p.toml: Table 1: `80.0±` is not a cell"),
        ("80.0", "180.0", "p.toml: Table 1: accuracy is 180.0; a percentage lies between 0 and 100"),
        ("way = 5", "way = 1", "p.toml: Table 1: way is 1 and shot 1; they must be at least 2 and 1"),
        ("shot = 1", "shot = 0", "p.toml: Table 1: way is 5 and shot 0; they must be at least 2 and 1"),
        ("{ shot = 1 }", "{ shot = 1, way = 5 }", "p.toml: Table 1: `way` is given twice; leave it in one of"),
        ("{ shot = 1 }", "{ shto = 1 }", "p.toml: Table 1: `shto` is not a key of Published. Did you mean `shot`?"),
        ("way = 5", 'way = "5"', "p.toml: Table 1: way: "),
        (', split = "s"', "", "p.toml: Table 1: split: "),
        (
            "grid =",
            'recipes = { dtv = "d" }\ngrid =',
            "p.toml: Table 1: recipes: `dtv` is not a row. Did you mean `dtw`?",
        ),
        ("rows =", "lines =", ": `lines` is not a key of _Table"),
        ("[[tables]]", "[[table]]", ": `table` is not a key of _Paper. Did you mean `tables`?"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert GOOD.count(old) >= 1
    (tmp_path / "p.toml").write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidValue) as caught:
        read_tables(tmp_path / "p.toml")
    assert words in str(caught.value)


def test_the_recipe_of_a_row_is_its_method_and_variant_unless_the_table_names_another(tmp_path: Path) -> None:
    text = GOOD.replace("way = 5 }", 'way = 5, method = "m" }').replace('["method", ', '["variant", ')
    lines = "ef+a-b   agcn  70.5  80.0\nrepeated  agcn  1.0  2.0\nnone  agcn  3.0  4.0\n"
    text = text.replace("dtw   agcn  70.5±0.4  80.0\n", lines).replace("grid =", 'recipes = { none = "dtw" }\ngrid =')
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    found = read_tables(tmp_path / "p.toml")
    assert [row.recipe for row in found] == ["m_ef_a_b", "m_ef_a_b", "m", "m", "dtw", "dtw"]
    assert [row.variant for row in found[::2]] == ["ef+a-b", "repeated", "none"]


def test_choices_belong_to_tables_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("[[tables]]", '[[choices]]\ntables = ["Table 1"]\ntext = "silent"\n\n[[tables]]')
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    assert read_choices(tmp_path / "p.toml") == {("P", "Table 1"): ("silent",)}
    (tmp_path / "p.toml").write_text(text.replace('["Table 1"]', '["Table 2"]'), encoding="utf-8")
    with pytest.raises(InvalidValue, match="p.toml: choices: `Table 2` is not a table. Did you mean `Table 1`?"):
        read_choices(tmp_path / "p.toml")
