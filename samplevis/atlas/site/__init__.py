"""The page's files: HTML, style and script, which `publish` copies."""
