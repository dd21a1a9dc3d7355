"""How a use of the service, written once, becomes a blocking and an awaitable method."""
