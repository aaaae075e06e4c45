"""Lucid's module paths and semantics, over samplevis: change the import, and a program written for Lucid runs.

`import samplevis.lucid.optvis.render as render` in place of `import lucid.optvis.render as render`; or call `install` first, and
leave the imports as they are. Objectives give one number for the whole batch, and defaults are Lucid's.

Example:
  >>> import samplevis.lucid.optvis.render as render
  >>> from samplevis.lucid.modelzoo import vision_models
  >>> images = render.render_vis(vision_models.Shapes(), "logits:4", thresholds=[16], verbose=False)
  >>> images[0].shape
  (1, 128, 128, 3)
"""

from samplevis.lucid.core.installation import find_moved_modules, install

__all__ = ["install"]

#: The version of Lucid whose names and semantics these are.
__version__ = "0.3.10"
# Lucid's constant for programs' own random numbers.
seed = 0

find_moved_modules()
