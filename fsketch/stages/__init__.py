"""Offline stages: what is trained or made before a method trains.

`teachers` trains default frozen nets, `portraits` makes IFRP's stylised faces, `coarse_images` fits
IDE's patch model and draws with it; `folders` holds what they share.
"""
