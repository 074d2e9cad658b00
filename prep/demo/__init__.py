"""A made-up data set in the raw NTU form: twenty-four actions of a jointed figure, as files and as videos."""
