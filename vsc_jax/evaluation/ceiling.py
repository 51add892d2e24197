"""What a supervised network reads of Smiley's features: the measure to hold correlations against.

A picture of whole pixels does not tell its real factors exactly (of 20,000 published images 5,257 repeat
another one), so that no code can correlate perfectly with them.
"""

import numpy as np
from jaxtyping import Float

# Correlation of prediction and value, given presence, on new 32 x 32 images, in the order of smiley.FACTORS.
# `python benchmarks/smiley_ceiling.py`: a network of 1024-512-256 units trained on 100,000 images.
_CEILING_32 = (
    *(0.599, 0.840, 0.981, 0.957),
    *(0.957, 0.919, 0.949, 0.917, 0.917, 0.845),
    *(0.973, 0.973, 0.987),
    *(0.724, 0.729, 0.734, 0.755, 0.905),
)


def supervised_ceiling(image_size: int) -> Float[np.ndarray, " features"] | None:
    """Correlation that a supervised regressor from pixels reaches with each feature, given presence.

    Args:
      image_size: side of the images.

    Returns:
      ``[18]``, or None for a size at which it has not been measured (28).
    """
    return np.array(_CEILING_32) if image_size == 32 else None
