"""Finished stores: count, verify, compare, combine and convert them.

summary.py            what a store holds, in numbers
verify.py             recompute every digest
diff.py               the differences between two stores
merge.py              one store from several
merge_embeddings.py   and its embeddings
export.py             a store as HDF5, npz or npy
hdf5_file.py          the file that HDF5 writes into when the disk may become full
"""
