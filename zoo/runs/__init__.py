"""One prepared experiment to its result, in a folder of its own.

scoring           how a learner is measured, and the untrained lines beside it
measurement       a prepared learner on its test classes
result            the number of a run, with what it takes to obtain it again
run               the folder of one run
log               its log
confusion_matrix  the answers to its test, counted
cost              the time and memory that it took
execute           train from the last checkpoint, measure, write the result
collapse          a backbone that gives all clips the same vector, and a lower rate
diverged          what is kept of a loss that is not finite, and its replay
chain             runs that start from other runs
status            how far runs are, read without torch
"""
