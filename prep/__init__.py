"""Raw recordings to stores. The rooms, in the order in which data passes through them:

readers/         one raw file format per file
importers/       one intermediate format per file: arrays and pickles of other projects, pose-estimator output
untrusted/       files, arrays and pickles from outside, read safely
preprocessing/   one recording to one clip: bodies, steps, quality flags, label, joints' box; named pipelines
storage/         where a store may lie: a folder, HTTP(S), S3
store/           the format of a store: read, write, manifest, embeddings
building/        raw files to a store: resumable, parallel
curate/          finished stores: verify, diff, merge, export, summary
check/           measurements and figures of a store, to find faults in the data
sharing/         push, pull, rebuild, data card
video/           the videos of clips: pairing, frames, crop, decoders
encoders/        one video and text encoder per file
embedding/       videos and class names to vectors in a store
teacher/         a small encoder, trained on videos of base classes
viewer/          a local page that plays the clips of stores
demo/            a synthetic dataset

formats.py       the contract of a file format, and the look-up by name
clip.py          the values that travel: Source, Recording, Clip
errors.py        errors that users can fix
confusion_matrix.py  the confusion matrix of a test with the clips of its cells, read strictly
tensors.py       weights by name: read from untrusted files, compared with a model, digest
workers.py       an executor for tasks that may end their process
files.py         atomic writes, locks, errors of the disk
torchvision_import.py  a torchvision that imports beside a CPU-only torch
progress.py      Step and Work: long work reports steps and returns its result
"""
