"""Faces in photos: found, brought into the frame of the data sets, and pasted back."""
