"""Episodes to trained models and measured numbers.

learner      the contract of everything that is trained
registry     kind + name -> class, a user's own file included
checks       the checks that Options share
fit          which backbones fit a method or stage
source       a class of a shipped file, without the libraries that the file imports
backbones    clips to feature maps, one per file
methods      few-shot methods, one per file
pretrain     pre-training stages, one per file
parts        mathematics that several of them share
engine       the training loop, evaluation, checkpoints
recipes      one experiment per TOML file; protocols by split
experiment   recipe to everything that a run needs: resolution, preparation
runs         one prepared experiment to its result, in a folder of its own
sweep        many runs, and the tables of them
"""
