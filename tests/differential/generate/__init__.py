"""Programs from choices: well-typed enough to run far, wild enough to fail in every way Python can."""

from .choices import Choices, Random
from .profiles import OPEN, PROFILES, Profile
from .programs import generate

__all__ = ["OPEN", "PROFILES", "Choices", "Profile", "Random", "generate"]
