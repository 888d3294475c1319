"""The pictures of the sandbox's movies, drawn as SVG."""
