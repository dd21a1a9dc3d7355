"""What one can do with the service: each use once, for both clients."""
