"""A local page on which the clips of stores are listed, filtered and played. In the order in which data passes:

select.py       which clips a filter keeps, in which order
parts.py        the parts of a split that the clips of a store belong to
motion.py       still and jerky clips: one pass over a store
clip.py         the joints of one clip, prepared or recorded, as the page draws them
neighbours.py   the clips nearest to one by the vectors of an embedding
plane.py        the vectors of an embedding in two dimensions
frames.py       frames of the paired video as JPEG, with the crop
marks.py        marked clips as a split's list `exclude`
cells.py        the cells of a run's confusion matrix as filters
background.py   long work in a thread, whose progress is asked for
session.py      the open stores, and the parts of each that were asked for
api.py          the answers to the page's questions
server.py       HTTP on 127.0.0.1
page.html, page.css, page.js and the other .js files are the page; skeleton.js draws one frame of a clip
"""
