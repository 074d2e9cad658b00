"""Looking at a store as a sceptic: what its flags and joints say, in a report with pictures."""
