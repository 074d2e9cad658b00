"""A synthetic dataset in the raw NTU RGB+D format. The files, in the order in which data passes through them:

actions.py        the 24 actions as key poses
body.py           a human body: bone lengths and a pose to the positions of 25 joints
simulation.py     one clip: a person performs an action in front of a camera, and a depth sensor records it
skeleton_file.py  a clip as the text of a .skeleton file
video.py          a clip as a small AVI video
generate.py       the dataset: which clips there are, written into a folder
"""
