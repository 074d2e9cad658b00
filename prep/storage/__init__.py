"""Where a store may lie. In reading order:

storage.py   the interface: files by name, read and written
address.py   a path or URL to its storage
folder.py    a folder on this machine
remote.py    a server behind HTTP(S), or an S3 bucket
"""
