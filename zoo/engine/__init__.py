"""One loop for everything that is trained.

optimiser    optimiser and schedule from torch.optim
train        the loop: records of losses, validation at the end of an epoch
evaluate     accuracy and its interval over a list of episodes
checkpoint   weights and state in one file
header       metadata of a checkpoint and of imported weights
imported     weights that were imported from a checkpoint of other code
options      options of the optimiser, as recipes name them
"""
