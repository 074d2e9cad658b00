"""Training of the encoder `demo_teacher` on videos of the demo's base classes.

clips.py     which clips are trained on and which are held out; decodes their videos and no others
training.py  augmentation, the contrastive loss, and the training itself
job.py       from a store and a folder of videos to the file of a teacher
"""
