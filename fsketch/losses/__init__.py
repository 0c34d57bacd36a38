"""Terms: pure functions of arrays that return a scalar.  Nets enter as callables only."""
