"""HTTP: who is answered, with what, and what is refused."""

from __future__ import annotations

import json
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.viewing import HOSTILE, NAMES, TOKEN, WITHOUT_VECTOR, call, clips_for_viewing, opened, served

from manifests.split_file import split
from manifests.text import plain
from prep.errors import PrepError
from prep.store.arrays import PER_FRAME
from prep.viewer.server import FILES, HOST, ViewerServer
from prep.viewer.session import Session


def test_the_page_needs_the_token_once_and_the_cookie_then(server: ViewerServer) -> None:
    entered = call(server, f"/?token={TOKEN}", Cookie="")
    assert (entered.status, entered.headers["Location"]) == (303, "/")
    cookie = entered.headers["Set-Cookie"].split(";")[0]
    assert "HttpOnly; SameSite=Lax" in entered.headers["Set-Cookie"]
    page = call(server, "/", Cookie=cookie)
    assert page.status == 200
    assert b'src="page.js"' in page.content
    assert "default-src 'none'; script-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"The token is of an earlier start" in call(server, "/?token=wrong", Cookie="").content
    for path in ("/", "/page.js", "/api/stores"):
        for wrong in ("", "fsprep-view-1=x", f"fsprep-view-{server.port}=wrong"):
            assert call(server, path, Cookie=wrong).status == 403


@pytest.mark.parametrize("file", [name for name in FILES if name])
def test_every_file_of_the_page_is_served(server: ViewerServer, file: str) -> None:
    assert call(server, f"/{file}").status == 200


def test_it_listens_on_this_machine_alone(server: ViewerServer) -> None:
    assert server.server_address[0] == HOST == "127.0.0.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8750"},
        {"Host": ""},
        {"Host": "127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/stores", "/api/frame?clip=0&frame=0"])
def test_requests_that_another_site_causes_are_refused(
    server: ViewerServer, path: str, headers: dict[str, str]
) -> None:
    assert call(server, path, **headers).status == 403


def test_a_link_from_another_page_opens_the_page_but_asks_nothing(server: ViewerServer) -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"}
    assert call(server, "/", **link).status == 200
    assert call(server, "/api/stores", **link).status == 403


@pytest.mark.parametrize(
    "headers",
    [{"Origin": ""}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Cookie": ""}, {"Content_Length": "7"}],
)
def test_only_the_page_itself_may_mark(server: ViewerServer, session: Session, headers: dict[str, str]) -> None:
    assert call(server, "/api/mark?clip=0&marked=1", "POST", **headers).status == 403
    assert session.marked == frozenset()
    assert not session.marks_file.exists()


def test_the_body_of_a_refused_request_is_not_read_as_another_request(server: ViewerServer) -> None:
    reply = call(server, "/api/mark?clip=0", "POST", Content_Length="40")
    assert (reply.status, reply.headers["Connection"]) == (403, "close")


def test_marking_is_no_question(server: ViewerServer) -> None:
    assert call(server, "/api/mark?clip=0&marked=1").status == 404
    assert call(server, "/api/clip?clip=0", "POST").status == 404


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/server.py", "/%2e%2e/session.py", "/api/", "/api/__class__", "/favicon.ico", "//evil/page.js"],
)
def test_other_paths_are_absent(server: ViewerServer, path: str) -> None:
    assert call(server, path).status == 404


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("clip?clip=12", "clip 12 is requested, the store has 12."),
        ("clip?clip=-1", "clip -1 is requested"),
        ("clip", "clip is ``; it must be a whole number."),
        ("clip?clip=1e3", "clip is `1e3`; it must be a whole number."),
        ("clip?clip=" + "9" * 5000, "it must be a whole number."),
        ("clip?clip=%D9%A3x", "it must be a whole number."),
        ("clip?store=2&clip=0", "store 2 is requested, 1 are open."),
        ("clip?name=nobody", "has no clip `nobody`."),
        ("clip?clip=0&split=ntu_t", "`ntu_t` is not a split of demo."),
        ("clips?order=best", "`best` is not an order of clips."),
        ("clips?flag=bad", "`bad` is not a quality flag."),
        ("clips?split=demo&part=all", "the split has no part `all`."),
        ("joints?clip=0&coordinates=raw", "`raw` is no kind of coordinates."),
        ("neighbours?clip=0&embedding=xclip", "has no embedding `xclip`."),
        ("video?clip=0", "No videos are shown. Start `fsprep view` with --videos DIR."),
    ],
)
def test_a_wrong_question_is_answered_by_a_sentence(server: ViewerServer, path: str, words: str) -> None:
    reply = call(server, f"/api/{path}")
    assert reply.status == 422
    assert words in reply.json["error"]


def test_the_list_is_filtered_ordered_and_paged(server: ViewerServer) -> None:
    everything = call(server, "/api/clips").json
    assert [row["name"] for row in everything["clips"]] == list(NAMES)
    assert call(server, "/api/clips?page=1").json["clips"] == []
    two = call(server, "/api/clips?flag=zero&order=longest").json
    assert (two["total"], [row["clip"] for row in two["clips"]]) == (2, [3, 5])
    assert two["clips"][0]["flags"] == ["zero", "body-count"]
    assert call(server, "/api/clips?order=length-outliers").json["clips"][0]["value"].startswith("0.17 x the median")
    chosen = call(server, "/api/clips?split=demo&part=test").json
    assert chosen["total"] == sum(label % 4 in split("demo").test for label in range(12))


def test_still_and_jerky_clips_are_listed_once_they_are_measured(server: ViewerServer) -> None:
    deadline = time.monotonic() + 20
    while "measuring" in (reply := call(server, "/api/clips?order=stillest").json):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert reply["clips"][0]["clip"] == 1
    assert reply["clips"][0]["value"] == "0.000 bone lengths a frame"
    jerky = call(server, "/api/clips?order=jerkiest").json["clips"]
    assert (jerky[0]["clip"], jerky[-1]["value"]) == (2, "not measured")


def test_a_clip_comes_with_its_numbers(server: ViewerServer) -> None:
    facts = call(server, f"/api/clip?name={NAMES[3]}&split=demo").json
    assert (facts["clip"], facts["frames"], facts["bodies"], facts["subject"]) == (3, 12, 2, 4)
    joints = call(server, "/api/joints?clip=3&coordinates=prepared").content
    assert np.array_equal(np.array(list(struct.iter_unpack("<f", joints))).ravel(), clips_for_viewing()[3].ravel())
    assert call(server, "/api/clip?clip=0").json["class"] == plain(HOSTILE)


def test_nothing_but_small_arrays_is_read_for_the_list(fresh: ViewerServer) -> None:
    view = fresh.session.views[0]
    store, read = view.store, list[str]()
    original = store.read
    view.warm_up = lambda: None  # type: ignore[method-assign]
    store.read = lambda name, *rows: read.append(name) or original(name, *rows)  # type: ignore[func-returns-value, method-assign]
    call(fresh, "/api/stores")
    call(fresh, "/api/clips?split=demo&part=test&name=S001&order=length-outliers")
    assert not set(read) & set(PER_FRAME)
    call(fresh, "/api/joints?clip=0")
    assert set(PER_FRAME) < set(read)


def test_after_the_list_what_every_clip_needs_is_read_in_the_background(fresh: ViewerServer) -> None:
    view = fresh.session.views[0]
    call(fresh, "/api/clips")
    deadline = time.monotonic() + 20
    while "clips" not in vars(view):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert {"to_recorded", "setup", "repetition", "names"} < set(vars(view.store))


def test_marks_become_a_split_that_excludes(fresh: ViewerServer) -> None:
    assert call(fresh, "/api/mark?clip=3&marked=1&split=demo", "POST").json["marked"] == 1
    assert call(fresh, "/api/mark?clip=5&marked=1&split=demo", "POST").json["marked"] == 2
    assert call(fresh, "/api/mark?clip=3&marked=&split=demo", "POST").json["marked"] == 1
    assert split(str(fresh.session.marks_file)).exclude == (NAMES[5],)
    assert [row["clip"] for row in call(fresh, "/api/clips?marked=1").json["clips"]] == [5]


def test_marks_that_cannot_be_written_are_not_kept(fresh: ViewerServer) -> None:
    fresh.session.marks_file.mkdir()
    (fresh.session.marks_file / "x").touch()
    assert call(fresh, "/api/mark?clip=3&marked=1", "POST").status == 422
    assert fresh.session.marked == frozenset()


def test_neighbours_come_with_their_similarity(embedded: Path, tmp_path: Path) -> None:
    with opened([embedded], tmp_path / "m.toml") as session, served(session) as server:
        assert call(server, "/api/stores").json["stores"][0]["embeddings"] == ["xclip"]
        found = call(server, "/api/neighbours?clip=0&embedding=xclip").json["clips"]
        assert len(found) == 12
        assert found == sorted(found, key=lambda row: -float(row["value"]))
        assert "has no vector" in call(server, "/api/neighbours?clip=4&embedding=xclip").json["error"]


def test_a_plot_is_computed_in_the_background(embedded: Path, tmp_path: Path) -> None:
    with opened([embedded], tmp_path / "m.toml") as session, served(session) as server:
        deadline = time.monotonic() + 20
        while "computing" in (plot := call(server, "/api/plane?embedding=xclip").json):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        store = session.views[0].store
        assert plot["clips"] == [clip for clip in range(24) if clip not in WITHOUT_VECTOR]
        assert plot["names"] == [store.names[clip] for clip in plot["clips"]]
        assert plot["labels"] == store.label[plot["clips"]].tolist()
        assert np.array(plot["positions"]).shape == (22, 2)
        assert plot["vectors"] == 22
        while "computing" in (wrong := call(server, "/api/plane?embedding=clip").json):
            assert time.monotonic() < deadline
        assert "has no embedding `clip`" in wrong["error"]


def test_a_store_that_changes_while_it_is_viewed_is_noticed_and_opened_again(
    viewed: Path, other: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(viewed, tmp_path / "s.zarr"))
    with opened([path], tmp_path / "m.toml") as session, served(session) as server:
        before = call(server, "/api/stores").json["stores"][0]["digest"]
        shutil.rmtree(path)
        assert f"{path}: " in call(server, "/api/clips").json["error"]
        shutil.copytree(other, path)
        reply = call(server, "/api/joints?clip=0")
        assert reply.status == 409
        assert "the store has changed since it was opened" in reply.json["error"]
        assert "Reload the page" in reply.json["error"]
        assert call(server, "/api/stores").json["stores"][0]["digest"] != before
        assert call(server, "/api/joints?clip=0").status == 200


def test_two_stores_are_answered_apart(viewed: Path, other: Path, tmp_path: Path) -> None:
    with opened([viewed, other], tmp_path / "m.toml") as session, served(session) as server:
        assert [store["title"] for store in call(server, "/api/stores").json["stores"]] == ["demo, raw", "demo, agcn"]
        assert call(server, "/api/joints?store=0&clip=0").content != call(server, "/api/joints?store=1&clip=0").content


def test_marks_of_another_dataset_are_refused(viewed: Path, in_image: Path, tmp_path: Path) -> None:
    with opened([viewed, in_image], tmp_path / "m.toml") as session, served(session) as server:
        reply = call(server, "/api/mark?store=1&clip=0&marked=1", "POST")
        assert "holds clips of `demo`. View" in reply.json["error"]


def test_a_port_in_use_is_one_sentence(server: ViewerServer, session: Session) -> None:
    with pytest.raises(PrepError, match=f"port {server.port} is in use. Stop the program that uses it, or choose"):
        ViewerServer(session, server.port, TOKEN)


def test_names_with_markup_travel_as_json(server: ViewerServer) -> None:
    reply = call(server, "/api/stores")
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(reply.content)["stores"][0]["classes"][0]["name"] == plain(HOSTILE)
