"""The adapters fetch and keep. They know the core, and never the web."""
