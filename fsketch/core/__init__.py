"""What every other package builds on: types, images, trees, devices, state, files."""
