"""The basis of any run, independent of images: argument checks, files, seeds, compiled functions, checkpoints, progress."""
