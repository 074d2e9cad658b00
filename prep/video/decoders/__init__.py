"""Video decoders, one library per file.

_decoder.py      the interface, and the choice of a decoder
_container.py    a container opened with PyAV: its stream, its index, its packets
_order.py        packets in presentation order, and random access points
_h264.py         picture order counts and IDR pictures, read from H.264 headers
_probe.py        properties of a video without decoding it
_limits.py       sizes, frame counts and requests that are refused
_orientation.py  how stored frames are turned for display
_crop.py         a part of a decoded frame, converted to RGB
pyav.py, decord.py, image_folder.py     the decoders
"""
