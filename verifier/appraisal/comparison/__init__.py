"""Two artifacts side by side: where they differ first, in words for a person."""
