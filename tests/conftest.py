"""Settings that all tests share."""

from hypothesis import settings

# The first example of a test may compile a kernel.
settings.register_profile("overtrace", deadline=None)
settings.load_profile("overtrace")
