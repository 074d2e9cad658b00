"""Recipe to result.

recipe     every choice of an experiment, as one record
resolve    from a recipe's name to a complete record: three layers of precedence
layers     tables of TOML files on top of each other
protocol   the settings that recipes take from a split
identity   digests: when two recipes, or two runs, are the same
feed       recipe + store -> pools and loaders
initial    weights of another run
prepare    recipe + store + initial weights -> learner and loaders
result     the number of a run, with what it takes to obtain it again
measurement  a prepared learner on its test classes
run        the folder of one run: train, resume, measure
chain      runs that start from other runs
compare    finished runs beside untrained methods and published numbers
table      rows of runs as text, Markdown and CSV
status     how far runs are, read without torch
grid       the axes of a sweep and its cells
sweep      many runs: every cell once, shared sources first
slurm      a sweep as a job array
kept       the report of a finished sweep, for the next time
bench      a published table as cells of this project
bench_table  a published table with ours beside it
"""
