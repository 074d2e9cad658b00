"""Job arrays: words are quoted, and settings make the same recipe."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from manifests.strict import InvalidValue
from zoo.experiment.identity import recipe_digest
from zoo.experiment.resolve import initial, resolve
from zoo.sweep.slurm import array_script, train_words


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("protonet", ["seed=3", "task.shot=5"]),
        ("protonet", ["backbone.name=agcn", "backbone.options.adaptive=false"]),
        ("dtw", ["optimiser.lr=1e-5", 'data.streams=["joint", "bone"]', "augment.rotation=[1.0, 2.0, 3.0]"]),
        ("finetuned_cosine", ['init.settings=["budget.epochs=3"]']),
    ],
)
def test_the_words_of_a_recipe_resolve_to_it(name: str, settings: list[str]) -> None:
    recipe = resolve(name, "demo", settings)
    program, command, base, data, split, *rest = train_words(recipe, name, "demo")
    assert (program, command, base, data, split) == ("fszoo", "train", name, "--data", "demo")
    assert set(rest[::2]) == {"--set"}
    assert recipe_digest(resolve(base, split, rest[1::2])) == recipe_digest(recipe)


def test_the_words_of_a_shared_source_resolve_to_it() -> None:
    source = initial(resolve("finetuned_cosine", "demo", ["seed=2", 'init.settings=["budget.epochs=3"]']))
    words = train_words(source, "supervised", "demo")
    assert recipe_digest(resolve("supervised", "demo", words[6::2])) == recipe_digest(source)


def test_every_word_arrives_as_it_is(tmp_path: Path) -> None:
    strange = ["a b", "$(touch bad)", "`touch bad`", "it's", '"', "\\", "new\nline", "; exit 1", "é"]
    file = tmp_path / "array.sh"
    file.write_text(array_script([], [["printf", "%s|", *strange]], ["fszoo", "x\nrm"], {"NAME": "a'b"}))
    done = subprocess.run(
        ["bash", str(file)], capture_output=True, text=True, env={"SLURM_ARRAY_TASK_ID": "0"}, check=True, cwd=tmp_path
    )
    assert done.stdout == "".join(f"{word}|" for word in strange)
    assert [path.name for path in tmp_path.iterdir()] == ["array.sh"]


def test_an_array_needs_a_run_and_its_task() -> None:
    with pytest.raises(InvalidValue, match="a job array without runs"):
        array_script([], [], ["fszoo"], {})
    script = array_script([], [["true"]], ["fszoo"], {})
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={}, check=False)
    assert done.returncode != 0
    assert "this script is a job array: submit it with sbatch" in done.stderr
