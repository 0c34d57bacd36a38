"""Offline stages: work before a method trains.

`default_nets` trains frozen nets for which a configuration gives no path, `portraits` makes IFRP's
stylised faces, `coarse_images` fits IDE's patch model and draws with it; `folders` names and locks
their shared folders.
"""
