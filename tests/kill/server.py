"""A program that runs commands in fresh processes: it imports everything once and forks for every command.

It reads one JSON object per line and answers with one: {"start": Order} with {"pid"}, {"wait": pid} with {"status"}.
Until it forks it runs nothing, so a child is as fresh as a new process, without the seconds of the imports.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
# What commands import where they use it.
MODULES = """
h5py matplotlib.figure numba rich.progress safetensors.torch
torch zarr zarr.codecs cv2 filelock
cli.fsprep cli.fszoo cli.workers kill.breakages prep.building.build
prep.check.folder prep.curate.export prep.curate.merge prep.embedding.imported prep.embedding.texts
prep.embedding.videos prep.encoders.tiny prep.sharing.pull prep.sharing.push prep.video.decoders.pyav
zoo.runs.chain cli.prep.build cli.prep.check cli.prep.embed_text cli.prep.embed_videos
cli.prep.export cli.prep.merge cli.prep.import_embeddings cli.prep.pull cli.prep.push
cli.zoo.train cli.ranks cli.stopwatch zoo.methods.protonet prep.readers.nw_ucla
av matplotlib.backends.backend_agg matplotlib.font_manager multiprocessing.synchronize
orjson PIL.PngImagePlugin PIL.JpegImagePlugin pydantic.dataclasses pydantic.type_adapter
regex encodings.cp437 zoneinfo
"""


def serve() -> None:
    """Answer until standard input ends."""
    _import_all()
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = {"pid": _start(request["start"])}
        else:
            _, status = os.waitpid(request["wait"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


def _import_all() -> None:
    """Import what commands need; nothing of it runs."""
    import importlib

    for module in MODULES.split():
        importlib.import_module(module)


def _start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        status = _run(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(order: dict[str, Any]) -> int:
    """The command of an order, to its exit status."""
    from kill import breakages
    from kill.points import Points

    folder = Path(order["folder"])
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.chdir(folder)
    os.environ["FSPREP_HOME"] = str(folder / "home")
    points = Points(folder, Path(order["log"]), order["kill"], order["after"], order["power"])
    breakages.shorten()
    points.install()
    breakages.install(order["breakage"], points)
    program, *words = order["words"]
    if program == "fsprep":
        from cli.fsprep import main
    else:
        from cli.fszoo import main  # type: ignore[assignment]
    try:
        main(words, prog_name=program)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent)]
    serve()
