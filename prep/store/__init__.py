"""The format of a store; no other room imports zarr. In reading order:

arrays.py           the arrays, and the headers that they must have
frames.py           frames: joints, body mask, origin
manifest.py         digests of arrays, sizes of files; written last
info.py             metadata of a store, read and checked
write.py            group, blocks of frames, small arrays, manifest
codec.py            chunks are decompressed to their arrays' size only
values.py           what the values of small arrays must fulfil
read.py             Store and open_store
runs.py             many clips in pieces that fit in memory
embedding_key.py    metadata of an embedding
keep_embedding.py   vectors into a finished store
embeddings.py       vectors out of a store
"""
