"""The commands of fsprep, one per file, named after the file; a leading `_` marks what several commands share.

where.py, list.py                           the workspace, and what ships
demo.py, validate.py, build.py              raw files to a store
info.py, verify.py, check.py                one store
diff.py, merge.py, export.py                finished stores
push.py, pull.py, rebuild.py                sharing
embed_videos.py, embed_text.py, import_embeddings.py    embeddings
_store.py, _build.py, _embed.py, _sharing.py            shared parts
"""
