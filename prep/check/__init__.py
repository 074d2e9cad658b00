"""Checks on a finished store, and a report on them. The files, in the order in which data passes through them:

flag_location.py  the frames and joints of a stored clip that a quality flag points at
measures.py       one pass over a store: flags, duplicate clips, bone lengths
report.py         Report: findings, counts and remarks, as a record, as text and as Markdown
charts.py         bar charts of a report
gallery.py        one clip of each class
skeletons.py      a few frames of a flagged clip, drawn side by side
folder.py         the report folder: report.md, report.json, figures
"""
