"""Settings that every test shares."""

from hypothesis import settings

# The first call into torch takes long; pytest's timeout already guards against a hang.
settings.register_profile("partlens", deadline=None)
settings.load_profile("partlens")
