"""Faces towards web frameworks; each module imports the framework that it is named after, and nobody else's."""
