"""A runner: claims tasks, has a handler do them, reports what became of them."""
