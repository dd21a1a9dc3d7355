"""The seam between the server and its databases."""
