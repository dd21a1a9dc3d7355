"""Running what a task carries as a real process."""
