"""Recipe to everything that a run needs.

recipe     every choice of an experiment, as one record
library    the recipes that ship
resolve    from a recipe's name to a complete record: three layers of precedence
layers     tables of TOML files on top of each other
settings   what users set, key=value
protocol   the settings that recipes take from a split
graph      options of a recipe for whichever graph backbone is chosen
identity   digests: when two recipes, or two runs, are the same
feed       recipe + store -> pools and loaders
embedded   names and stored embeddings: what a learner knows beside joints and labels
initial    weights of another run, or imported ones
import_weights  released checkpoints of other code to initial weights
prepare    recipe + store + initial weights -> learner and loaders
"""
