"""Share stores: send, fetch, describe, and rebuild from a recipe.

push.py              send a store to a folder or URL
pull.py              fetch a store from a folder or URL
pull_embeddings.py   fetch the embeddings that a store here lacks
transfer.py          single files: parallel, resumed, checked by their sha256
sums.py              the sums of files, and files beside the arrays
card.py              the data card, card.md
rebuild.py           share the recipe of a store without its clips
"""
