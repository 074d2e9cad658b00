"""Facts about the world as TOML files, and their strict reader. In reading order:

datasets/    the classes, clip names, licence and source of each dataset
layouts/     the joints and bones of each skeleton
missing/     the clips of a dataset that have no skeleton
splits/      which classes train, validate and test, with which clips and exemplars
encoders/    video and text encoders: their weights, normalisation and licence
prompts/     sentences about a class, for text encoders
published/   accuracies in papers, table by table as printed

facts.py     look-up of a record by its name
split_file.py  look-up of a split, also in a user's own file
dataset.py, layout.py, split.py, encoder.py, tables.py   the record that each kind of file becomes
custom.py    a user's own dataset, described by one file as in custom_example.toml
strict.py    strict conversion of TOML and JSON values to frozen dataclasses
rules.py     checks that several records share
pattern.py   regular expressions of dataset files, in bounded time
folder.py    the names in a folder
digest.py    sha256 digests
text.py      names from outside, made safe to print
user_code.py a user's own .py file as a module
"""
