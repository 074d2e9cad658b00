"""The commands of fszoo, one per file.

train     train a recipe (and what it starts from), and measure it
eval      measure a trained run again
sweep     train a recipe for every combination of some settings, into one table
bench     run a paper's table and write ours beside theirs
compare   runs beside the papers' numbers
list      what ships, and your runs
show      a recipe with every choice written out
import-weights  a released checkpoint of a backbone's authors to initial weights
"""
