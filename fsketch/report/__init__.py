"""Teacher, students and ablations side by side: size, speed, quality, features, training.

`runs` reads workdirs, `quality` scores their images, `cost` counts and times, `distances` compares
features with a teacher's, `comparison` collects everything in one dictionary of plain data, and
`tables` and `plots` show it.
"""
