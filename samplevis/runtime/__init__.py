"""What any run needs, and knows nothing of images: argument checks, files, seeds, compiled functions, checkpoints, progress."""
