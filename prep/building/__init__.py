"""Raw files to a store, part by part. In reading order:

job.py        what to build: dataset, subset, preprocessing, raw files, output
build.py      the build from start to end, and which step runs when
choose.py     the recordings that belong to the dataset and the subset
convert.py    one raw file to one converted clip
part.py       some clips, converted by one worker and kept until all are done
assemble.py   parts to a store
survey.py     counts and likely mistakes of your own dataset, before it is built
"""
