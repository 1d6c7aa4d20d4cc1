"""What bulk jobs do, by their kind, and the engine that has any number of workers do it."""
