"""The pass pipeline: one file per pass, one function Graph -> Graph each."""
