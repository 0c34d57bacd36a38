"""Teacher, students and ablations side by side: size, speed, quality, features, training.

`runs` reads workdirs, `cost` counts and times, `distances` compares features with a teacher's,
`comparison` puts everything into one dictionary of plain data, and `tables` and `chart` show it.
"""
