"""The edge: decodes a request, makes one call, encodes the answer."""
