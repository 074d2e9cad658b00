"""Every published table: counted, spot-checked by hand, and compared with the papers' texts and with each other."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from helpers.shared import shared

from manifests.facts import names, published, published_choices
from manifests.tables import Published

DASTM, PAINET, CROSS = "DASTM (Ma et al., ECCV 2022)", "PAINet (Liu et al., ICCV 2023)", "Cross-modal (Lu et al.)"
SKELHCC = "SkelHCC (Liu et al., ICML 2026)"
# Rows times columns of each table as printed, less the three dashes of Table I.
COUNTS = {
    (DASTM, "Table 1"): 8 * 9,
    (DASTM, "Table 2"): 8 * 9,
    (DASTM, "Appendix Table 1"): 4 * 3,
    (DASTM, "Appendix Table 2"): 4 * 3,
    (PAINET, "Table 1"): 7 * 9 * 2,
    (PAINET, "Table 2"): 10,
    (PAINET, "Table 3"): 6 * 2,
    (PAINET, "Table 4"): 7 * 2,
    (PAINET, "Table 5"): 5 * 2,
    (CROSS, "Table I"): 16 * 2 - 3,
    (CROSS, "Table II"): 12 * 5,
    (CROSS, "Table III"): 13 * 2,
    (CROSS, "Table IV"): 9 * 2,
    (CROSS, "Table V"): 8 * 2,
    (CROSS, "Table VI"): 8 * 2,
    (CROSS, "Table VII"): 14 * 3,
    (CROSS, "Table VIII"): 4 * 3,
    (CROSS, "Table IX"): 3 * 3,
    (CROSS, "Table X"): 3 * 3,
    (CROSS, "Table XI"): 3 * 3,
    (CROSS, "Table XII"): 3 * 3,
    (SKELHCC, "One-shot comparison"): 2,
}
# (paper, table, what finds one row, the number): read off the papers by eye.
SPOTS = [
    (DASTM, "Table 1", {"method": "dastm", "backbone": "stgcn", "split": "ntu_t"}, 75.1),
    (DASTM, "Table 1", {"method": "dastm_activation", "backbone": "agcn", "split": "kinetics"}, 41.0),
    (DASTM, "Table 2", {"method": "ngm", "backbone": "agcn", "split": "ntu_s"}, 85.9),
    (DASTM, "Table 2", {"method": "dastm_rank", "backbone": "msg3d", "split": "ntu_t"}, 81.9),
    (DASTM, "Appendix Table 1", {"variant": "seed-2 blocks-10"}, 73.15),
    (DASTM, "Appendix Table 1", {"variant": "mean blocks-4"}, 71.67),
    (DASTM, "Appendix Table 2", {"backbone": "lstm", "split": "ntu_s"}, 80.3),
    (DASTM, "Appendix Table 2", {"backbone": "stgcn", "split": "ntu_t"}, 82.4),
    (PAINET, "Table 1", {"method": "painet", "backbone": "agcn", "split": "ntu_t", "shot": 1}, 78.8),
    (PAINET, "Table 1", {"method": "painet", "backbone": "msg3d", "split": "kinetics", "shot": 5}, 54.1),
    (PAINET, "Table 2", {"variant": "ef+ssa+tcm+tca"}, 81.8),
    (PAINET, "Table 2", {"variant": "baseline"}, 75.1),
    (PAINET, "Table 3", {"variant": "mask-st-self-attention", "shot": 5}, 89.2),
    (PAINET, "Table 3", {"variant": "channel-specific-attention", "shot": 1}, 80.8),
    (PAINET, "Table 4", {"variant": "pair-hungarian", "shot": 5}, 89.0),
    (PAINET, "Table 4", {"variant": "frame-emd", "shot": 1}, 80.1),
    (PAINET, "Table 5", {"variant": "class-hopping", "method": "painet"}, 94.0),
    (PAINET, "Table 5", {"variant": "class-high-five", "method": "dastm"}, 78.0),
    (CROSS, "Table I", {"method": "attention"}, 41.0),
    (CROSS, "Table I", {"method": "tcn_oneshot", "shot": 5}, 60.3),
    (CROSS, "Table I", {"method": "cross_modal", "backbone": "ctrgcn", "shot": 5}, 79.7),
    (CROSS, "Table II", {"method": "sl_dml", "split": "ntu120_one_shot_60"}, 49.0),
    (CROSS, "Table II", {"method": "dtw", "split": "ntu120_one_shot_80"}, 51.4),
    (CROSS, "Table II", {"method": "subspace", "split": "ntu120_one_shot_20"}, 36.4),
    (CROSS, "Table III", {"method": "smam", "shot": 5}, 79.0),
    (CROSS, "Table III", {"method": "average_pooling", "shot": 1}, 59.8),
    (CROSS, "Table IV", {"method": "feat", "shot": 5}, 80.3),
    (CROSS, "Table IV", {"method": "cross_modal", "backbone": "agcn", "shot": 1}, 87.3),
    (CROSS, "Table V", {"method": "protonet", "shot": 1}, 73.6),
    (CROSS, "Table V", {"method": "cross_modal", "backbone": "ctrgcn", "shot": 5}, 89.5),
    (CROSS, "Table VI", {"method": "protonet", "shot": 5}, 84.9),
    (CROSS, "Table VI", {"method": "cross_modal", "backbone": "ctrgcn", "shot": 5}, 87.7),
    (CROSS, "Table VII", {"method": "skeleton_byol_meta", "split": "ntu60_one_shot"}, 74.7),
    (CROSS, "Table VII", {"method": "dtw", "variant": "with-transfer", "dataset": "pku_mmd"}, 80.3),
    (CROSS, "Table VII", {"variant": "episodic-training", "dataset": "ntu120"}, 57.0),
    (CROSS, "Table VIII", {"variant": "representation-none", "dataset": "ntu120"}, 58.0),
    (CROSS, "Table VIII", {"variant": "representation-video", "dataset": "pku_mmd"}, 84.9),
    (CROSS, "Table IX", {"variant": "initialisation-random", "dataset": "ntu120"}, 41.6),
    (CROSS, "Table IX", {"variant": "initialisation-transfer", "dataset": "pku_mmd"}, 71.2),
    (CROSS, "Table X", {"variant": "without-predictor", "dataset": "ntu60"}, 76.6),
    (CROSS, "Table X", {"variant": "without-moving-average-target", "dataset": "ntu120"}, 68.0),
    (CROSS, "Table XI", {"variant": "classifier-linear", "dataset": "pku_mmd"}, 85.6),
    (CROSS, "Table XI", {"variant": "classifier-nearest-neighbour", "dataset": "ntu120"}, 66.7),
    (CROSS, "Table XII", {"variant": "teacher-actionclip", "dataset": "ntu60"}, 84.0),
    (CROSS, "Table XII", {"variant": "teacher-xflorence", "dataset": "pku_mmd"}, 88.3),
    (SKELHCC, "One-shot comparison", {"method": "skeletonx", "split": "pku_mmd_2_one_shot"}, 38.3),
    (SKELHCC, "One-shot comparison", {"method": "skelhcc", "variant": "with-class-names"}, 40.0),
]


def rows(**facts: object) -> list[Published]:
    return [row for row in published() if all(getattr(row, key) == value for key, value in facts.items())]


def accuracy(**facts: object) -> float:
    (row,) = rows(**facts)
    return row.accuracy


def test_every_cell_of_every_table_is_there() -> None:
    assert Counter((row.paper, row.table) for row in published()) == COUNTS
    assert len(published()) == sum(COUNTS.values()) == 597


@pytest.mark.parametrize(("paper", "table", "facts", "number"), SPOTS)
def test_numbers_read_off_by_eye(paper: str, table: str, facts: dict[str, object], number: float) -> None:
    assert accuracy(paper=paper, table=table, **facts) == number


def test_two_numbers_or_more_of_each_table_were_read_off() -> None:
    assert min(Counter((paper, table) for paper, table, *_ in SPOTS).values()) >= 2
    assert {(paper, table) for paper, table, *_ in SPOTS} == COUNTS.keys()


def test_deviations() -> None:
    bare = [row.method for row in rows(paper=DASTM) if row.spread is None and not row.table.startswith("Appendix")]
    assert bare == ["dropedge", "dastm"]
    (row,) = rows(paper=DASTM, method="dastm", backbone="stgcn", split="ntu_t", shot=1)
    assert row.spread == 1.8
    (row,) = rows(table="Appendix Table 2", backbone="lstm", split="kinetics")
    assert (row.accuracy, row.spread) == (47.3, 0.4)
    assert {row.spread for row in published() if row.paper != DASTM} == {None}


def test_no_published_cell_stands_twice() -> None:
    for extra, least in ((("table", "variant"), 597), ((), 435)):
        chosen = [row for row in published() if extra or not row.variant]
        keys = [
            (row.paper, row.split, row.method, row.backbone, row.way, row.shot, *(getattr(row, key) for key in extra))
            for row in chosen
        ]
        assert len(keys) == len(set(keys)) >= least


def test_tables_name_data_and_splits_that_are_here() -> None:
    assert {row.split for row in published()} <= set(names("splits"))
    assert {row.dataset for row in published()} <= set(names("datasets"))


def test_painet_repeats_dastm() -> None:
    repeated = rows(paper=PAINET, table="Table 1")
    compared = 0
    for row in repeated:
        if row.method != "painet":
            same = {key: getattr(row, key) for key in ("split", "method", "backbone", "way", "shot", "variant")}
            assert accuracy(paper=DASTM, **same) == row.accuracy
            compared += 1
    assert compared == 6 * 9 * 2


def test_numbers_that_a_paper_repeats_are_equal() -> None:
    again = [row for row in rows(paper=CROSS) if row.variant == "repeated"]
    assert len(again) == 12 + 12
    for row in again:
        facts = {key: getattr(row, key) for key in ("split", "method", "backbone", "way", "shot")}
        assert accuracy(paper=CROSS, variant="", **facts) == row.accuracy
    best = ("with-transfer", "representation-text+video", "framework-default", "classifier-cosine", "teacher-xclip")
    for split in ("ntu120_one_shot", "ntu60_one_shot", "pku_mmd_one_shot"):
        own = rows(paper=CROSS, method="cross_modal", backbone="agcn", split=split, shot=1)
        assert len({row.accuracy for row in own if row.variant in ("", *best)}) == 1
        images = rows(paper=CROSS, method="skeleton_dml", split=split, shot=1)
        assert len({row.accuracy for row in images if row.variant in ("", "initialisation-imagenet")}) == 1
    assert {row.accuracy for row in rows(paper=PAINET, split="ntu_t", method="painet", backbone="stgcn", shot=1)} >= {
        82.4
    }


def test_what_a_paper_computes_from_its_numbers() -> None:
    for blocks in ("blocks-4", "blocks-7", "blocks-10"):
        seeds = [accuracy(table="Appendix Table 1", variant=f"seed-{seed} {blocks}") for seed in (1, 2, 3)]
        assert sum(seeds) / 3 == pytest.approx(accuracy(table="Appendix Table 1", variant=f"mean {blocks}"), abs=0.006)
    gains = []
    for row in rows(paper=PAINET, table="Table 5", method="dastm"):
        gains.append(accuracy(paper=PAINET, table="Table 5", method="painet", variant=row.variant) - row.accuracy)
    assert gains == [22, 41, 22, 20, 15]


def test_known_contradictions_stand_as_printed() -> None:
    one_shot = {"paper": CROSS, "method": "cross_modal", "split": "ntu120_one_shot"}
    assert accuracy(variant="episodic-training", **one_shot) == 57.0
    assert accuracy(variant="representation-none", **one_shot) == 58.0
    protonet = rows(paper=DASTM, method="protonet", backbone="stgcn", split="ntu_t", shot=5)
    assert {(row.table, row.accuracy) for row in protonet} == {("Table 2", 81.1), ("Appendix Table 2", 82.4)}


def test_the_cross_modal_tables_are_those_of_the_text() -> None:
    text = shared("papers/crossmodal.txt").read_text(encoding="utf-8").replace("<b>62</b> .1", "62.1")
    lines = [re.sub(r"</?b>", "", line) for line in text.replace("<b>92</b> .8", "92.8").splitlines() if "\t" in line]
    theirs = [float(cell) for line in lines for cell in line.split("\t")[1:] if re.fullmatch(r"\d\d\.\d", cell.strip())]
    ours = [row.accuracy for row in rows(paper=CROSS) if row.table != "Table VI"]
    assert len(ours) == 255 - 16
    assert ours == theirs


def test_the_second_scan_has_table_six() -> None:
    text = shared("papers/crossmodal-second-scan.txt").read_text(encoding="utf-8")
    part = text[text.index("TABLE VI\n") : text.index("(ii) DASTM")]
    theirs = [float(number) for number in re.findall(r"(?<= )\d\d\.\d\b", part)]
    assert [row.accuracy for row in rows(paper=CROSS, table="Table VI")] == theirs


def test_the_painet_tables_are_those_of_the_text() -> None:
    text = shared("papers/painet.txt").read_text(encoding="utf-8")
    lines = [re.sub(r"</?b>", "", line).split("\t")[1:] for line in text.splitlines() if "\t" in line]
    pairs = [cell.split("/") for line in lines for cell in line if re.fullmatch(r"\d\d\.\d/\d\d\.\d", cell)]
    for place, shot in ((0, 1), (1, 5)):
        ours = [row.accuracy for row in rows(paper=PAINET, table="Table 1", shot=shot)]
        assert ours == [float(pair[place]) for pair in pairs]
    theirs = [float(cell) for line in lines for cell in line if re.fullmatch(r"\d\d(\.\d)?", cell)]
    assert [row.accuracy for row in rows(paper=PAINET) if row.table in ("Table 2", "Table 3", "Table 4")] == theirs
    shares = [float(cell[:4]) for line in lines for cell in line if re.match(r"0\.\d\d", cell)]
    assert [row.accuracy for row in rows(paper=PAINET, table="Table 5")] == pytest.approx([100 * s for s in shares])


def test_the_dastm_tables_are_those_of_the_text() -> None:
    text = shared("papers/dastm.txt").read_text(encoding="utf-8")
    first, second = text.index("Table 1: The 5-way"), text.index("Table 2: The 5-way")
    for table, part, lost in (("Table 1", text[first:second], 0), ("Table 2", text[second:], 2)):
        theirs = Counter(re.findall(r"\d\d\.\d±\d\.\d", part))
        ours = Counter(f"{row.accuracy}±{row.spread}" for row in rows(paper=DASTM, table=table) if row.spread)
        assert (ours, ours.total()) == (theirs, 72 - lost)
    appendix = shared("papers/dastm-appendix.txt").read_text(encoding="utf-8")
    part = appendix[appendix.index("ST-GCN\t(blocks=4)") : appendix.index("Table 2: The 5-way")]
    theirs = [float(number) for number in re.findall(r"(?<=[\t$])\d\d\.\d\d?", part)]
    assert [row.accuracy for row in published() if row.table.startswith("Appendix")] == theirs


def test_rows_name_the_recipe_that_repeats_them() -> None:
    """The last rows of Tables 2-4 of PAINet are its whole method, and its baseline is DASTM's own number."""
    assert {row.recipe for row in rows(paper=DASTM, table="Table 1")} == {
        "protonet", "dtw", "ngm", "pairnorm", "dropedge", "dastm_rank", "dastm_activation", "dastm",
    }  # fmt: skip
    blocks = rows(table="Appendix Table 1")
    assert Counter(row.recipe for row in blocks) == {"protonet_blocks_4": 4, "protonet_blocks_7": 4, "protonet": 4}
    assert {row.recipe for row in rows(table="Appendix Table 2")} == {"protonet"}
    (baseline,) = rows(paper=PAINET, variant="baseline")
    assert (baseline.recipe, baseline.method) == ("dastm", "painet")
    whole = [row for row in rows(paper=PAINET, recipe="painet", shot=1) if row.variant]
    assert {(row.table, row.accuracy) for row in whole} == {("Table 2", 82.4), ("Table 3", 82.4), ("Table 4", 82.4)}
    assert {row.recipe for row in rows(paper=PAINET, variant="ef+ssa+tcm+tca")} == {"painet_ef_ssa_tcm_tca"}
    assert {row.recipe for row in rows(paper=CROSS, variant="repeated", method="dtw")} == {"dtw"}


def test_where_the_papers_are_silent_the_choice_stands_under_the_table() -> None:
    assert all(
        published_choices()[(paper, f"Table {n}")]
        for paper, last in ((DASTM, 2), (PAINET, 4))
        for n in range(1, last + 1)
    )
    words = " ".join(text for texts in published_choices().values() for text in texts)
    for silent in ("lambda", "d_k", "0.15", "0.001", "part_matrix", "75.1", "PN,", "10 %", "prototype", "our reading"):
        assert silent in words
