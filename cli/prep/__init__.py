"""One command of fsprep per file, its `command`."""
