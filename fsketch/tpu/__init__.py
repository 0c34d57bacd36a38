"""Programs for TPUs that are not there: compiled by libtpu on any Linux machine, and counted."""
