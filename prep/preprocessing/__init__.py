"""One recording to one clip. The files, in the order in which data passes through them:

pipeline.py     Pipeline: which steps each layout takes, read from one TOML file per pipeline; `apply` runs them
agcn.toml ...   the pipelines that ship, each with its source
bodies.py       first step: which bodies of a recording are kept, and in which slots
steps.py        all further steps: functions on the joints (L, M, V, C) of one clip
moved.py        joints and the way back to recorded coordinates
body_size.py    the position and the size of bodies, for the pipeline `standard`
quality.py      quality flags of a clip, and the rules behind them
label.py        the class of a clip, from its file name or from the entry beside it
joints_box.py   the bounding box of a clip's joints in its video
"""
