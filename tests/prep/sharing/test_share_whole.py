"""A real store shared through nginx and S3 over connections that break, a killed push, and training from both URLs.

Run with -s to see what happened.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.servers import cut, nginx, s3
from helpers.shared import shared
from helpers.shell import Shell

from prep.sharing.transfer import remote_digest, send
from prep.storage.address import storage_at
from prep.store.manifest import FileEntry
from prep.store.read import open_store

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def nw_ucla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the whole dataset."""
    out = tmp_path_factory.mktemp("stores") / "nw_ucla.zarr"
    done = Shell()(f"fsprep build nw_ucla --raw {shared('data/nw_ucla.zip')} --out {out} --workers 2")
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(params=["nginx", "s3"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address; S3's is also in the environment."""
    with nginx(tmp_path / "www") if request.param == "nginx" else s3(monkeypatch) as address:
        yield address


def test_a_real_store_there_and_back(
    server: str, nw_ucla: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    kind, digest = request.node.callspec.params["server"], open_store(nw_ucla).digest
    size = sum(entry.bytes for entry in open_store(nw_ucla).files.values())
    back = tmp_path / "back.zarr"

    def at(address: str) -> str:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        return f"{address}/nw_ucla.zarr" if kind == "nginx" else "s3://stores/nw_ucla.zarr"

    def types(line: str, address: str) -> dict[str, object]:
        done = Shell()(line.format(url=at(address)) + " --json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    with cut(server, after=2_000_000, direction="up") as (url, line):
        assert types(f"fsprep push {nw_ucla} {{url}} --i-have-the-right", url)["digest"] == digest
        assert line.cuts == 3
        print(f"\n{kind}: pushed {size:,} bytes, {line.carried:,} carried up, cut {line.cuts} times")
    with cut(server, after=2_000_000) as (url, line):
        assert types(f"fsprep pull {{url}} --out {back}", url)["digest"] == digest
        assert line.cuts == 3
        print(f"{kind}: pulled {size:,} bytes, {line.carried:,} carried down, cut {line.cuts} times")
    record = {"store": str(back), "digest": digest, "ok": True, "card": True, "extra": []}
    assert types(f"fsprep verify {back}", server) == record
    print(f"{kind}: digest {digest} at both ends")
    small = "--set budget.episodes=20 --set budget.validation_episodes=0 --set budget.test_episodes=20"
    result = types(f"fszoo train protonet --data nw_ucla --store {{url}} {small} --out {tmp_path / 'run'}", server)
    print(f"{kind}: trained from {at(server)}: {float(str(result['accuracy'])):.2f} %, chance 20 %")
    assert float(str(result["accuracy"])) > 25


@pytest.mark.parametrize("command", ["push", "pull"])
def test_killed_again_and_again_it_is_continued(nw_ucla: Path, tmp_path: Path, command: str) -> None:
    script = [sys.executable, "-c", "from cli.fsprep import main; main()"]
    with nginx(tmp_path / "www") as url:
        target, out = f"{url}/nw_ucla.zarr", tmp_path / "back.zarr"
        words = ["push", str(nw_ucla), target, "--i-have-the-right"]
        if command == "pull":
            subprocess.run([*script, *words], check=True, cwd=ROOT, capture_output=True)
            words = ["pull", target, "--out", str(out)]
        kills, log = 0, tmp_path / "www.nginx" / "access.log"
        for seen in (3, 12, 20):
            log.write_text("")
            run = subprocess.Popen([*script, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            method = '"PUT' if command == "push" else '"GET'
            while run.poll() is None and log.read_text().count(method) < seen:
                continue
            if run.poll() is None:
                os.kill(run.pid, signal.SIGKILL)
                kills += 1
            run.wait()
        subprocess.run([*script, *words], check=True, cwd=ROOT, capture_output=True)
        print(f"\n{command}: killed {kills} times")
        assert kills > 0
        there = out if command == "pull" else tmp_path / "www" / "nw_ucla.zarr"
        assert open_store(there).digest == open_store(nw_ucla).digest
        assert open_store(target).digest == open_store(nw_ucla).digest


def test_a_file_of_40_mb_survives_cuts(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(40_000_000)
    (tmp_path / "big").write_bytes(content)
    kind = "http" if (tmp_path / "www").exists() else "s3"
    with cut(server, after=9_000_000, direction="up") as (url, line):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        afar = storage_at(f"{url}/x" if kind == "http" else "s3://stores/x")
        reports: list[int] = []
        entry = FileEntry(len(content), remote_digest(storage_at(tmp_path), "big"))
        send(tmp_path, "big", entry, afar, None, reports.append)
        assert line.cuts == 3
        assert sum(reports) == len(content)
        assert afar.sizes(["big"]) == {"big": len(content)}
    print(f"\n{kind}: 40 MB sent, {line.carried:,} bytes carried up, cut {line.cuts} times")
