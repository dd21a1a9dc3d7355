"""How a watch goes on, unbroken, over any number of streams."""
