"""The live screen: what the service does now."""
