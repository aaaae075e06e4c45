"""All units of a network: optimised pictures, samples, dataset examples and neighbours, in one folder and one page.

Example:
  >>> from samplevis import atlas, modelzoo
  >>> found = atlas.build(modelzoo.Shapes(), "shapes-atlas", ["logits"], settings=dict(size=32), progress=False)
  >>> found["logits:4"].status
  'reached'
"""

from samplevis.runtime.lazy import lazy_exports

# Public name -> the module that defines it; nothing is imported before it is used.
_SOURCES = {
    "Atlas": "reading",
    "AtlasSettings": "settings",
    "ModelSpec": "model_spec",
    "Unit": "reading",
    "build": "building",
    "open": "reading",
    "plan_atlas": "plan",
    "publish": "publishing",
}

__getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
