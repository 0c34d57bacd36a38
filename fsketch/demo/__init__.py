"""The page: own photos drawn in a browser, by static files that any web host can serve."""
