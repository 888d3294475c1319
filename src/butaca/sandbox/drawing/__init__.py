"""The pictures of the sandbox, drawn as SVG."""
