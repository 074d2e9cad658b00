"""Figures of the papers from finished runs: arrays with named axes first, then a figure drawn from them.

A figure is a file with a class `Figure` (see `_figure.py`); its name is the file's. A leading `_`
marks a file that several share.
"""
