"""Files that are really damaged: each is noticed and named, and nothing of it is made up."""
