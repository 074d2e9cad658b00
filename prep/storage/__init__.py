"""Where a store may lie: a folder here, a server behind HTTP, a bucket."""
