"""Stores to episodes and batches on a device.

pool        the clips of a store, resident on a device
draw        which clips an episode consists of: a pure function of (seed, episode)
groups      support and query from different subjects or cameras
sampler     the list of episodes: many random tasks, or one with fixed exemplars
resample    temporal sampling: L frames to T
augment     random rotation, scale, mirroring
streams     joints, bones, velocities and more, along the channels
recorded    recorded coordinates, and path, height and speed of bodies
transform   clips of a pool to tensors: sampling, augmentation, streams
options     size of a task and augmentation, as recipes name them
cameras     another recording of a performance, as the second view of a clip
order       the clips of an epoch in the order of its batches
loader      sampler + transform = episodes; shuffled clips + transforms = batches
episode     the values that are handed on: Episode, Batch
counter     the random numbers behind all of these
"""
