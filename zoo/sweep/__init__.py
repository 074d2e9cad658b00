"""Many runs, and the tables of them.

grid         the axes of a sweep and its cells
jobs         every cell once, shared sources first
slurm        a sweep as a job array
kept         the report of a finished sweep, for the next time
compare      finished runs beside untrained recipes and published numbers
table        rows of runs as text, Markdown and CSV
bench        a published table as cells of this project
bench_table  a published table with ours beside it
"""
