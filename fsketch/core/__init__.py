"""The base of all other packages: types, images, trees, devices, state, files."""
