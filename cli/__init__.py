"""The edge: commands, progress, devices and paths."""
