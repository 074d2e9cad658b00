"""The commands of fszoo, one per file.

train     train a recipe (and what it starts from), and measure it
eval      measure a trained run again
compare   runs beside the papers' numbers
list      what ships, and your runs
show      a recipe with every choice written out
"""
