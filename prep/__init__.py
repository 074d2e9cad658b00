"""Raw recordings to stores."""
