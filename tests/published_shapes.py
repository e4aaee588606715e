"""The shapes of guidance schedules in the code of Rojas et al., arXiv:2507.08965."""

import numpy as np

__all__ = ["PUBLISHED"]

# In time from 1 (masked) to 0, divided by their largest value.
PUBLISHED = {
    "constant": lambda t: 1.0,
    "ramp-up": lambda t: 1 - t,
    "ramp-down": lambda t: t,
    "cosine": lambda t: (np.cos(np.pi * t) + 1) / 2,
    "sine": lambda t: (np.sin(np.pi * (t - 0.5)) + 1) / 2,
    "V": lambda t: 1 - t if t < 0.5 else t,
    "inverse-V": lambda t: 2 * (1 - t if t > 0.5 else t),
}
