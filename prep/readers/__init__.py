"""One data set's raw form per file."""
