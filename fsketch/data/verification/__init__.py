"""Lists of face pairs: who is the same person as whom."""
