"""A page for a finished run, or for two runs on the same tasks: numbers first, as named arrays, then HTML from them.

answers   every answer of a run on its test tasks
tally     confusion, accuracy of classes, confused pairs, certain mistakes and paired differences, from answers
charts    curves and confusion matrix as figures of matplotlib
clips     clips in a form that a page can carry and play
cells     the confusion matrix as a table, and the clips of its cells that a page carries
contents  the arrays and the facts of a run's page
sections  the parts of a page, each from arrays and facts
files     curves and confusion matrix as PNG in a run's folder
page      one self-contained HTML file
"""
