"""What is done with finished stores: summed up, verified, compared, merged, exported."""
