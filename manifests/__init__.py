"""Facts about the data sets, layouts, splits and published numbers, and their strict reader."""
