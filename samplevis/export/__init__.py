"""Pictures for people: labelled grids and animations."""

from samplevis.export.gif import chain_frames, save_gif, sweep_frames
from samplevis.export.grid import grid, save_png

__all__ = ["chain_frames", "grid", "save_gif", "save_png", "sweep_frames"]
