"""A Django project whose tasks are run by sqsjobs."""
