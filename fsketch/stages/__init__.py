"""Offline stages: what is trained or made before a method trains.

`default_nets` trains frozen nets that a configuration gives no path of, `portraits` makes IFRP's
stylised faces, `coarse_images` fits IDE's patch model and draws with it; `folders` holds what they
share.
"""
