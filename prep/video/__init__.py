"""Videos of the clips: pairing, decoding and cropping. The files in the order in which a clip passes them:

request.py       records: which video belongs to a clip, which frames an encoder needs, the decoded clip
pairing.py       a folder of videos and a store -> clips with their videos, and lists of missing and bad ones
worker.py        one clip -> its frames as an encoder takes them, or the reason why there are none
decoders/        one library per file: container properties without decoding, then frames by index
sampling.py      which frames of a clip are decoded
crop.py          which square of a frame is kept, and its resizing
extras.py        the libraries of the optional extra `video`
"""
