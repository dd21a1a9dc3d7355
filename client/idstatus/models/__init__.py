"""What goes in and comes out: enums and frozen dataclasses, and their way over the wire."""
