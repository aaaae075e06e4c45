"""Images in files and on screens: single images, labelled grids, animations, sprite maps and notebooks."""

from samplevis.export.animation import chain_frames, save_animation, save_gif, sweep_frames
from samplevis.export.bands import false_colors
from samplevis.export.grid import grid
from samplevis.export.image import load_image, load_images, load_metadata, save_image, save_png
from samplevis.export.notebook import show
from samplevis.export.pixels import collapse_channels, stretch_contrast
from samplevis.export.sprites import save_sprites
from samplevis.export.waveforms import as_pictures, slices, waveforms

__all__ = [
    "as_pictures",
    "chain_frames",
    "collapse_channels",
    "false_colors",
    "grid",
    "load_image",
    "load_images",
    "load_metadata",
    "save_animation",
    "save_gif",
    "save_image",
    "save_png",
    "save_sprites",
    "show",
    "slices",
    "stretch_contrast",
    "sweep_frames",
    "waveforms",
]
