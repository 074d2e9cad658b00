"""One recording to one clip: bodies, steps, quality flags, label, the joints' box."""
